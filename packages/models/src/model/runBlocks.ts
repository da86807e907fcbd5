import { checkpoint, slice, type Tensor, withBackend } from "@lowrank/core";
import type { Attend } from "@lowrank/nn";
import type { PromptedBatch } from "./promptedBatch.ts";

/** The hidden states [B, T, D] that are wanted: all, or each sequence's last [B, 1, D]. */
export type WantedRows = "all" | "last";

/** The wanted rows of [B, T, D]. */
export function wantedRows(x: Tensor, wanted: WantedRows): Tensor {
  return wanted === "all" ? x : slice(x, { dim: 1, start: -1 });
}

/**
 * Runs one block, the `layer`-th, on hidden states [B, T, D] and the tensors that were carried so
 * far. Answers the wanted rows, with tensors to be carried to all later blocks behind them.
 */
type RunBlock<B> = (
  block: B,
  x: Tensor,
  layer: number,
  wanted: WantedRows,
  carried: readonly Tensor[],
) => Tensor | Tensor[];

/** Settings of `runBlocks`. */
interface RunOptions {
  /** Blocks forget their activations, and the backward pass computes them again. */
  forget: boolean;
  /** The rows of the last block: its layers behind attention run for these alone. Default "all". */
  wanted?: WantedRows;
  /** Tensors of this pass that blocks read beside the hidden states. Default: none. */
  carried?: readonly Tensor[];
}

/**
 * Returns the hidden states [B, T, D] after a stack of blocks. `start` makes the values that all
 * blocks share, from the attention function. Blocks that `forget` make their own, as the backward
 * pass does when it computes them again.
 */
export function runBlocks<B>(
  blocks: Iterable<B>,
  x: Tensor,
  batch: PromptedBatch,
  { forget, wanted = "all", carried: first = [] }: RunOptions,
  start: (attend: Attend) => RunBlock<B>,
): Tensor {
  const run = start(batch.attend());
  const all = [...blocks];
  const carried = [...first];
  let hidden = x;
  for (const [layer, block] of all.entries()) {
    const rows = layer === all.length - 1 ? wanted : "all";
    // The backward pass runs it again, when another backend may be the current one.
    const again = (h: Tensor, ...more: Tensor[]) => {
      const prefix = more.slice(0, batch.prefix.length);
      const rest = more.slice(prefix.length);
      return withBackend(h.storage.backend, () => start(batch.attend(prefix))(block, h, layer, rows, rest));
    };
    const made = forget
      ? checkpoint(again)(hidden, ...batch.prefix, ...carried)
      : run(block, hidden, layer, rows, carried);
    const [next, ...more] = [made].flat();
    hidden = next;
    carried.push(...more);
  }
  return hidden;
}
