import { add, type Backend, keep, type Tensor, tensor } from "@lowrank/core";
import { Penalties } from "@lowrank/models/generation";
import type { SamplingSettings } from "../api.ts";
import { penaltiesOf } from "./readRequest.ts";

/** Changes the logits of one request before a token is chosen: its biases, then penalties. */
export class LogitEdits implements Disposable {
  readonly #bias: Tensor | null;
  readonly #penalties: Penalties;
  readonly #backend: Backend;

  /** Counts the prompt. */
  constructor(
    sampling: SamplingSettings,
    prompt: readonly number[],
    { vocabSize, backend }: { readonly vocabSize: number; readonly backend: Backend },
  ) {
    this.#backend = backend;
    this.#bias = biasRow(sampling.logitBias ?? {}, vocabSize, backend);
    this.#penalties = new Penalties(penaltiesOf(sampling), [1, vocabSize], backend);
    if (!this.#penalties.any) return;
    using ids = tensor(Int32Array.from(prompt), { shape: [1, prompt.length], backend });
    using mask = tensor(new Uint8Array(prompt.length).fill(1), { shape: [1, prompt.length], backend });
    this.#penalties.countPrompt(ids, mask);
  }

  /** True for settings that change logits. */
  static needed(sampling: SamplingSettings): boolean {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = penaltiesOf(sampling);
    const { logitBias = {} } = sampling;
    return (
      repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0 || Object.keys(logitBias).length > 0
    );
  }

  /** The logits f32 [1, V] to choose from. */
  apply(logits: Tensor): Tensor {
    return this.#penalties.apply(this.#bias ? add(logits, this.#bias) : logits);
  }

  /** Counts a new token. */
  count(token: number): void {
    if (!this.#penalties.any) return;
    using ids = tensor(Int32Array.of(token), { shape: [1, 1], backend: this.#backend });
    using mask = tensor(Uint8Array.of(1), { shape: [1, 1], backend: this.#backend });
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

function biasRow(biases: Readonly<Record<number, number>>, vocabSize: number, backend: Backend): Tensor | null {
  const entries = Object.entries(biases);
  if (entries.length === 0) return null;
  const row = new Float32Array(vocabSize);
  for (const [token, bias] of entries) row[Number(token)] = bias;
  return keep(tensor(row, { shape: [1, vocabSize], backend }));
}
