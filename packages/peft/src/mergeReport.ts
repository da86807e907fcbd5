import { noGrad, scope, Tensor } from "@lowrank/core";
import type { MergeDrift } from "./merge.ts";

/** How the merged model's answers differ from those it gave with the adapter beside it. */
export interface MergeReport {
  /** Names of the merged adapters. */
  adapters: readonly string[];
  /** Half-precision weights and what rounding cost them; empty where `safeMerge` was off or all is f32. */
  drift: readonly MergeDrift[];
  /** On the inputs given as `verify`; absent without them. */
  maxAbsDiff?: number;
  meanAbsDiff?: number;
  /** Whether the largest logit is the same at every position. */
  greedyEqual?: boolean;
}

/** The numbers of a model's output: its logits, or the tensor itself. */
export async function outputNumbers(forward: () => unknown): Promise<{ values: Float32Array; width: number }> {
  const output = noGrad(() => scope(forward));
  const logits = output instanceof Tensor ? output : (output as { logits?: unknown }).logits;
  if (!(logits instanceof Tensor)) {
    throw new Error("mergeAndUnload: verify needs a model whose forward gives a tensor or an object with logits");
  }
  const values = (await logits.data()) as Float32Array;
  logits.dispose();
  return { values, width: logits.shape[logits.ndim - 1] };
}

/** Compares two outputs entry by entry and row by row. */
export function compareOutputs(
  { values: before, width }: { values: Float32Array; width: number },
  after: Float32Array,
): Required<Pick<MergeReport, "maxAbsDiff" | "meanAbsDiff" | "greedyEqual">> {
  let largest = 0;
  let total = 0;
  let greedyEqual = true;
  for (let row = 0; row < before.length; row += width) {
    let [best, merged] = [row, row];
    for (let i = row; i < row + width; i++) {
      const difference = Math.abs(before[i] - after[i]);
      largest = Math.max(largest, difference);
      total += difference;
      if (before[i] > before[best]) best = i;
      if (after[i] > after[merged]) merged = i;
    }
    greedyEqual &&= best === merged;
  }
  return { maxAbsDiff: largest, meanAbsDiff: total / before.length, greedyEqual };
}
