import { checkpoint, type Tensor } from "@lowrank/core";
import type { Attend } from "@lowrank/nn";
import type { PromptedBatch } from "./promptedBatch.ts";

/** Runs one block, the `layer`-th, on hidden states [B, T, D]. */
type RunBlock<B> = (block: B, x: Tensor, layer: number) => Tensor;

/**
 * Hidden states [B, T, D] after a stack of blocks. `start` makes what all blocks share, from the function that attends.
 * Where blocks `forget`, each makes its own, as the backward pass does when it computes the block again.
 */
export function runBlocks<B>(
  blocks: Iterable<B>,
  x: Tensor,
  batch: PromptedBatch,
  forget: boolean,
  start: (attend: Attend) => RunBlock<B>,
): Tensor {
  const run = start(batch.attend());
  let hidden = x;
  for (const [layer, block] of [...blocks].entries()) {
    const again = (h: Tensor, ...prefix: Tensor[]) => start(batch.attend(prefix))(block, h, layer);
    hidden = forget ? checkpoint(again)(hidden, ...batch.prefix) : run(block, hidden, layer);
  }
  return hidden;
}
