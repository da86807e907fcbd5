import type { Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import { largestDifference, positionOf, short } from "./differences.ts";
import { callLayer, type LayerCall, layerAt } from "./layerCalls.ts";
import { roundingBound } from "./roundingBound.ts";

/** A layer whose output differs by more than rounding. */
export interface LayerMismatch {
  path: string;
  difference: number;
  bound: number;
  /** Index of the largest difference in the layer's output. */
  position: number[];
  /** The recorded value and the new value at this position. */
  values: readonly [before: number, after: number];
}

/**
 * Calls the layers of `model` again on recorded inputs. Returns the first layer, in the order of the recording, whose
 * output differs by more than `allowed`: `roundingBound`, or nothing. Null if there is none. Since each layer gets the
 * recorded input, a fault in one layer does not spread to the layers after it.
 */
export async function firstMismatch(
  model: Module,
  calls: readonly LayerCall[],
  allowed: "rounding" | "nothing" = "rounding",
): Promise<LayerMismatch | null> {
  for (const { path, inputs, output } of calls) {
    const module = layerAt(model, path);
    using again = callLayer(module, inputs);
    const [before, after] = await Promise.all([output.data(), again.data()]);
    const found = largestDifference(before as Float32Array, after as Float32Array);
    if (found.difference === 0) continue;
    const bound = allowed === "nothing" ? 0 : await boundOf(module, inputs, [output, again]);
    if (found.difference <= bound) continue;
    const position = positionOf(found.index, output.shape);
    return { path, difference: found.difference, bound, position, values: [found.a, found.b] };
  }
  return null;
}

/** Returns the largest rounding bound of several outputs of a layer. */
export async function boundOf(module: Module, inputs: readonly unknown[], outputs: readonly Tensor[]): Promise<number> {
  const bounds = outputs.map((output) => roundingBound(module, inputs, output));
  return Math.max(...(await Promise.all(bounds)));
}

/** Returns the sentence of a message about a mismatch. `names` are the names of the two values. */
export function describeMismatch(mismatch: LayerMismatch, names: readonly [string, string]): string {
  const { path, difference, bound, position, values } = mismatch;
  const pair = values.map((value, i) => `${short(value)} ${names[i]}`).join(", ");
  return (
    `${path} is the first layer with different outputs: they differ by ${short(difference)} at [${position.join(", ")}] ` +
    `(${pair}), and ${bound === 0 ? "no difference is allowed" : `rounding explains ${short(bound)}`}`
  );
}
