import { noGrad, scope, Tensor } from "@lowrank/core";
import type { AdaptableModel } from "./adaptedLoss.ts";

/** The logits of a model as one flat array, with `width` values for each position. */
export interface Outputs {
  values: Float32Array;
  width: number;
}

/** Difference between two outputs of a model for the same inputs. */
export interface OutputDifference {
  maxAbsDiff: number;
  meanAbsDiff: number;
  /** True if the highest logits of both outputs have the same index at every position. */
  greedyEqual: boolean;
}

/**
 * Runs a model on the inputs of a `verify` option. Returns the `logits` of the result, or the result itself if it is a
 * tensor.
 */
export async function outputValues(model: AdaptableModel, inputs: unknown): Promise<Outputs> {
  if (inputs === undefined) {
    throw new Error("verify: it has no inputs; give what forward takes, as in verify: { inputs: { inputIds } }");
  }
  const output = noGrad(() => scope(() => model.forward(inputs as never)));
  const logits = output instanceof Tensor ? output : (output as { logits?: unknown }).logits;
  if (!(logits instanceof Tensor)) {
    throw new Error("verify needs a model whose forward gives a tensor or an object with logits");
  }
  const values = (await logits.data()) as Float32Array;
  logits.dispose();
  return { values, width: logits.shape[logits.ndim - 1] };
}

/** Compares two outputs: the differences of all elements, and the index of the highest logit at each position. */
export function compareOutputs({ values: before, width }: Outputs, { values: after }: Outputs): OutputDifference {
  let largest = 0;
  let total = 0;
  let greedyEqual = true;
  for (let row = 0; row < before.length; row += width) {
    let [best, other] = [row, row];
    for (let i = row; i < row + width; i++) {
      const difference = Math.abs(before[i] - after[i]);
      largest = Math.max(largest, difference);
      total += difference;
      if (before[i] > before[best]) best = i;
      if (after[i] > after[other]) other = i;
    }
    greedyEqual &&= best === other;
  }
  return { maxAbsDiff: largest, meanAbsDiff: total / before.length, greedyEqual };
}
