import { type Backend, noGrad, scatterAdd, scope, type Tensor, tensor, where, zeros } from "@lowrank/core";
import { type BanOptions, Bans } from "./bans.ts";
import { Penalties, type PenaltyOptions, penaltySettings } from "./penalties.ts";

/**
 * Changes the logits from which a row's next token is chosen. Receives the row's logits, its tokens so far (prompt and
 * new) and its index. Returns the logits, which may be the changed array that it received.
 */
export type LogitsProcessor = (logits: Float32Array, tokens: readonly number[], row: number) => Float32Array;

/** A sequence whose next token is to be chosen. If `ended`, its logits are not processed. */
export interface Sequence {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly ended?: boolean;
}

/** Settings that change a row's logits before its next token is chosen. */
export interface ProcessingOptions extends BanOptions, PenaltyOptions {
  logitsProcessors?: readonly LogitsProcessor[];
}

/** Applies penalties, then bans, then the user's functions, in the order of transformers. */
export class Processing implements Disposable {
  /** The token counts of each row, and the penalties computed from them. */
  readonly penalties: Penalties;
  readonly #bans: Bans;
  readonly #functions: readonly LogitsProcessor[];

  constructor(
    options: ProcessingOptions & { eosTokenIds?: readonly number[] },
    { vocabSize, backend }: { readonly vocabSize: number; readonly backend: Backend },
    rows: number,
  ) {
    this.#bans = new Bans(options, vocabSize);
    this.penalties = new Penalties(penaltySettings(options), [rows, vocabSize], backend);
    this.#functions = options.logitsProcessors ?? [];
  }

  /**
   * Returns the logits f32 [B, V] to choose from; the same tensor if no setting applies. Logits are read from the
   * backend only if there are `logitsProcessors`.
   */
  async apply(logits: Tensor, rows: readonly Sequence[]): Promise<Tensor> {
    const allowed = scope(() => this.#ban(this.penalties.apply(logits), rows));
    if (this.#functions.length === 0) return allowed;
    try {
      return await this.#process(allowed, rows);
    } finally {
      if (allowed !== logits) allowed.dispose();
    }
  }

  #ban(logits: Tensor, rows: readonly Sequence[]): Tensor {
    if (!this.#bans.any) return logits;
    const banned = rows.map(({ prompt, tokens, ended }) => (ended ? [] : this.#bans.after(prompt, tokens)));
    const most = Math.max(...banned.map(({ length }) => length));
    if (most === 0) return logits;
    const { backend } = logits.storage;
    const filled = (of: (token: number) => number) =>
      banned.map((ids) => Array.from({ length: most }, (_, i) => (i < ids.length ? of(ids[i]) : 0)));
    return noGrad(() => {
      const tokens = tensor(
        filled((token) => token),
        { dtype: "i32", backend },
      );
      const counted = tensor(
        filled(() => 1),
        { dtype: "f32", backend },
      );
      const counts = scatterAdd(zeros(logits.shape, { backend }), tokens, counted, { dim: 1 });
      return where(counts.gt(0), -Infinity, logits);
    });
  }

  async #process(logits: Tensor, rows: readonly Sequence[]): Promise<Tensor> {
    const [, vocabSize] = logits.shape;
    const values = (await logits.data()) as Float32Array;
    for (const [row, { prompt, tokens, ended }] of rows.entries()) {
      if (ended) continue;
      const own = values.subarray(row * vocabSize, (row + 1) * vocabSize);
      for (const [i, process] of this.#functions.entries()) {
        const processed = process(own, [...prompt, ...tokens], row);
        if (processed?.length !== vocabSize) {
          throw new Error(
            `generate: logitsProcessors[${i}] returned ${processed?.length ?? "no"} logits for row ${row}; return all ${vocabSize}`,
          );
        }
        own.set(processed);
      }
    }
    return tensor(values, { shape: logits.shape, backend: logits.storage.backend });
  }

  dispose(): void {
    this.penalties.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
