import type { Tensor } from "@lowrank/core";

/** The parts of a batch on which layers depend in addition to their inputs. */
export interface CurrentBatch {
  /** Token ids, i32 [B, T]. Absent if the model has none. */
  readonly inputIds?: Tensor;
  /** The task of each row. Null or absent: the batch is without task ids. */
  readonly taskIds?: readonly number[] | null;
  /** The number of tokens, counted from the end of each row, on which aLoRA acts; null for none. Default: see aLoRA. */
  readonly aloraOffsets?: readonly (number | null)[] | null;
}

/** An adapter that acts from an invocation in each sequence on (aLoRA), or the adapters of a batch's rows. */
export interface Invocation {
  /**
   * Returns the index of the prompt's first token on which the adapter of row `row` acts: the first token of the last
   * invocation. Null if the prompt lacks the invocation, or if the row's adapter acts on all tokens.
   */
  start(prompt: readonly number[], row: number): number | null;
}

let current: CurrentBatch = {};

/** Sets the batch that runs next. Models call it at the beginning of every forward pass, which is synchronous. */
export function setBatch(batch: CurrentBatch): void {
  current = batch;
}

/** Returns the batch that runs now. Each forward pass has its own object. */
export function currentBatch(): CurrentBatch {
  return current;
}
