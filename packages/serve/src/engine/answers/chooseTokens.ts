import {
  add,
  type Backend,
  cat,
  Generator,
  gather,
  indexSelect,
  keep,
  logSoftmax,
  ones,
  reshape,
  scatterAdd,
  slice,
  sum,
  type Tensor,
  tensor,
  to,
  topk,
  where,
  zeros,
} from "@lowrank/core";
import { argmaxTokens, sampleTokens } from "@lowrank/core/internal";
import { Penalties } from "@lowrank/models/internal";
import type { SamplingSettings } from "../../api/api.ts";
import { anyBans, type BanSettings, bannedAfter, penaltiesOf, type RequestSettings } from "../requests/readSettings.ts";

/** Settings for choosing the next token of one sequence, from one row of logits. */
export interface Choice {
  readonly sampling: SamplingSettings & { readonly seed: number };
  /** Number of new tokens that the sequence already has. */
  readonly index: number;
  readonly edits: LogitEdits | null;
}

/**
 * Returns the given rows of a tensor, in the given order. Returns the tensor itself if they are all its rows, in order.
 */
export function rowsOf(x: Tensor, rows: readonly number[]): Tensor {
  if (rows.length === x.shape[0] && rows.every((row, i) => row === i)) return x;
  return indexSelect(x, tensor(Int32Array.from(rows), { backend: x.storage.backend }), { dim: 0 });
}

/**
 * Returns the next token for each row of logits f32 [W, V], as i32 [W]; -1 if no token can be chosen. New token k of a
 * request is drawn with the k-th uniform value of the request's seed. It therefore depends neither on other rows nor on
 * pauses.
 */
export function chooseTokens(logits: Tensor, choices: readonly Choice[]): Tensor {
  const rows = [...choices.keys()];
  const plain = rows.filter((row) => choices[row].sampling.temperature === 0 && choices[row].edits === null);
  const others = rows.filter((row) => !plain.includes(row));
  const parts = plain.length > 0 ? [argmaxTokens(rowsOf(logits, plain))] : [];
  for (const row of others) {
    parts.push(chooseOne(slice(logits, { dim: 0, start: row, end: row + 1 }), choices[row]));
  }
  const order = [...plain, ...others];
  const chosen = parts.length === 1 ? parts[0] : cat(parts, { dim: 0 });
  return rowsOf(
    chosen,
    rows.map((row) => order.indexOf(row)),
  );
}

function chooseOne(logits: Tensor, { sampling, index, edits }: Choice): Tensor {
  const { temperature, topK, topP, minP, seed } = sampling;
  const edited = edits?.apply(logits) ?? logits;
  if (temperature === 0) return argmaxTokens(edited);
  const generator = new Generator(seed);
  generator.offset = index;
  return sampleTokens(edited, { temperature, topK, topP, minP, generator });
}

/**
 * Log-probabilities for m rows of logits. `ofTokens`, f32 [m], is for one given token per row. `top` holds the values,
 * f32 [m, k], and ids, i32 [m, k], of the k most probable tokens; null if k is 0.
 */
export interface LogprobTensors {
  readonly ofTokens: Tensor;
  readonly top: readonly [values: Tensor, tokens: Tensor] | null;
  /**
   * Rank of each row's given token, f32 [m]: the number of tokens that are at least as probable. Null if ranks were not
   * requested.
   */
  readonly ranks: Tensor | null;
}

/**
 * Returns the log-probabilities of one token per row and of the k most probable tokens. Takes logits f32 [m, V] and
 * `tokens` i32 [m].
 */
export function logprobsOf(logits: Tensor, tokens: Tensor, k: number, withRanks: boolean): LogprobTensors {
  const all = logSoftmax(logits, { dim: 1 });
  const at = reshape(tokens, [-1, 1]);
  // A row without a token (-1) fails alone later; the other rows of its pass continue.
  const isToken = at.ge(0);
  const column = gather(all, where(isToken, at, 0), { dim: 1 });
  const ofTokens = reshape(column, [-1]);
  const ranks = withRanks ? sum(to(all.ge(column), { dtype: "f32" }), { dim: 1 }) : null;
  if (k === 0) return { ofTokens, top: null, ranks };
  const [values, likeliest] = topk(all, k, { dim: 1 });
  return { ofTokens, top: [values, likeliest], ranks };
}

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
