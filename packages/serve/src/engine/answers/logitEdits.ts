import { add, type Backend, keep, ones, scatterAdd, type Tensor, tensor, where, zeros } from "@lowrank/core";
import { Penalties } from "@lowrank/models/internal";
import type { SamplingSettings } from "../../api/api.ts";
import { penaltiesOf, type RequestSettings } from "../requests/readSettings.ts";
import { anyBans, type BanSettings, bannedAfter } from "../requests/tokenBans.ts";

/**
 * Edits the logits of one request before a token is chosen: adds biases, masks disallowed tokens, applies penalties,
 * then masks tokens that are forbidden at this position.
 */
export class LogitEdits implements Disposable {
  readonly #bias: Tensor | null;
  readonly #penalties: Penalties;
  readonly #backend: Backend;
  readonly #bans: BanSettings;
  readonly #newTokens: number[] = [];

  /** Prepares the edits for a request. Counts the tokens of its prompt, on which penalties depend. */
  constructor(
    { sampling, prompt, bans }: RequestSettings,
    { vocabSize, backend }: { readonly vocabSize: number; readonly backend: Backend },
  ) {
    this.#backend = backend;
    this.#bans = bans;
    this.#bias = biasRow(sampling, vocabSize, backend);
    this.#penalties = new Penalties(penaltiesOf(sampling), [1, vocabSize], backend);
    if (!this.#penalties.any) return;
    using ids = tensor(Int32Array.from(prompt), { shape: [1, prompt.length], backend });
    using mask = ones([1, prompt.length], { dtype: "bool", backend });
    this.#penalties.countPrompt(ids, mask);
  }

  /** Returns true if the settings change any logits. */
  static needed({ sampling, bans }: RequestSettings): boolean {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = penaltiesOf(sampling);
    const { logitBias = {}, allowedTokenIds } = sampling;
    if (allowedTokenIds !== undefined || anyBans(bans) || Object.keys(logitBias).length > 0) return true;
    return repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  }

  /** Returns the edited logits, f32 [1, V]. */
  apply(logits: Tensor): Tensor {
    const penalised = this.#penalties.apply(this.#bias ? add(logits, this.#bias) : logits);
    const banned = [...bannedAfter(this.#newTokens, this.#bans)];
    if (banned.length === 0) return penalised;
    const backend = this.#backend;
    const ids = tensor(Int32Array.from(banned), { shape: [1, banned.length], backend });
    const one = ones([1, banned.length], { backend });
    const marks = scatterAdd(zeros([...logits.shape], { backend }), ids, one, { dim: 1 });
    return where(marks.gt(0), -Infinity, penalised);
  }

  /** Counts a new token, on which later penalties and bans depend. */
  count(token: number): void {
    this.#newTokens.push(token);
    if (!this.#penalties.any) return;
    using ids = tensor(Int32Array.of(token), { shape: [1, 1], backend: this.#backend });
    using mask = ones([1, 1], { dtype: "bool", backend: this.#backend });
    this.#penalties.countToken(ids, mask);
  }

  dispose(): void {
    this.#bias?.dispose();
    this.#penalties.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Returns values to add to the logits, f32 [1, V]: the request's biases, and -Infinity for tokens that are not allowed.
 * Returns null if the request sets neither.
 */
function biasRow(
  { logitBias = {}, allowedTokenIds }: SamplingSettings,
  vocabSize: number,
  backend: Backend,
): Tensor | null {
  const entries = Object.entries(logitBias);
  if (entries.length === 0 && allowedTokenIds === undefined) return null;
  const row = new Float32Array(vocabSize).fill(allowedTokenIds === undefined ? 0 : -Infinity);
  for (const token of allowedTokenIds ?? []) row[token] = 0;
  for (const [token, bias] of entries) row[Number(token)] += bias;
  return keep(tensor(row, { shape: [1, vocabSize], backend }));
}
