import { checkpoint, slice, type Tensor, withBackend } from "@lowrank/core";
import type { Attend } from "@lowrank/nn";
import type { PromptedBatch } from "./promptedBatch.ts";

/** The hidden states [B, T, D] to return: all rows, or each sequence's last row [B, 1, D]. */
export type WantedRows = "all" | "last";

/** Returns the wanted rows of [B, T, D]. */
export function wantedRows(x: Tensor, wanted: WantedRows): Tensor {
  return wanted === "all" ? x : slice(x, { dim: 1, start: -1 });
}

/**
 * Runs the block with index `layer` on hidden states [B, T, D] and the tensors carried from earlier blocks. Returns the
 * wanted rows, optionally followed by tensors to carry to all later blocks.
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
  /** True to discard the activations of each block and recompute them in the backward pass (gradient checkpointing). */
  forget: boolean;
  /** The rows to compute in the last block: its layers after attention run for these rows only. Default "all". */
  wanted?: WantedRows;
  /** Tensors of this pass that blocks read in addition to the hidden states. Default: none. */
  carried?: readonly Tensor[];
}

/**
 * Runs a stack of blocks and returns the hidden states [B, T, D], or [B, 1, D] if `wanted` is "last". `start` receives
 * the attention function, computes the values that all blocks share and returns the function that runs a block. With
 * `forget`, each block calls `start` again, as the backward pass does when it recomputes the block.
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
    // The backward pass runs this again, possibly while another backend is the current one.
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
