import { checkpoint, slice, type Tensor, withBackend } from "@lowrank/core";
import type { Attend, EnteredBlocks, Module } from "@lowrank/nn";
import type { ModelInputs } from "./causalLM.ts";
import type { PromptedBatch } from "./promptedBatch.ts";

/** The hidden states to return: "all" [B, T, D], or only the last token of each sequence [B, 1, D]. */
export type WantedRows = "all" | "last";

/** Returns all hidden states of x [B, T, D], or only the last token's, [B, 1, D]. */
export function wantedRows(x: Tensor, wanted: WantedRows): Tensor {
  return wanted === "all" ? x : slice(x, { dim: 1, start: -1 });
}

/**
 * Runs the block with index `layer` on hidden states x [B, T, D] and returns the `wanted` hidden states, alone or first
 * in a list. Other tensors in the list are added to `carried`, the tensors that all later blocks receive.
 */
type RunBlock<B> = (
  block: B,
  x: Tensor,
  layer: number,
  wanted: WantedRows,
  carried: readonly Tensor[],
) => Tensor | Tensor[];

/**
 * Returns true if gradient checkpointing applies: `model` is in training mode and `checkpointing` is set. Returns false
 * if the blocks change the cache, since checkpointing runs them a second time.
 */
export function forgets({ training }: Module, checkpointing: boolean, cache?: ModelInputs["cache"]): boolean {
  return training && checkpointing && (!cache || cache.isStateless === true);
}

/** Settings of `runBlocks`. */
interface RunOptions {
  /** True to discard the activations of each block and recompute them in the backward pass (gradient checkpointing). */
  forget: boolean;
  /**
   * The hidden states that the last block returns. With "last", the layers of that block after attention run only for
   * the last token of each sequence. Default "all".
   */
  wanted?: WantedRows;
  /** Tensors that the first block receives as `carried`. Default: none. */
  carried?: readonly Tensor[];
}

/**
 * Runs all blocks and returns the hidden states [B, T, D], or [B, 1, D] if `wanted` is "last". `start` receives the
 * attention function, computes values that all blocks use (such as masks), and returns the function that runs a block.
 * With `forget`, `start` is called for each block, and again when the backward pass recomputes the block. If `blocks`
 * has a function `enter`, it is called once for each block in a forward pass, and not again.
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
  const { enter } = blocks as EnteredBlocks;
  let hidden = x;
  for (const [layer, block] of all.entries()) {
    if (enter) hidden = enter(hidden, layer);
    const rows = layer === all.length - 1 ? wanted : "all";
    // With `forget`, the backward pass runs this again, possibly while another backend is current.
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
