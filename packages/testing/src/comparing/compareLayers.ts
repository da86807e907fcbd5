import type { Module } from "@lowrank/nn";
import { largestDifference, positionOf, short } from "./differences.ts";
import { callLayer, type LayerCall } from "./layerCalls.ts";
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
 * output differs by more than `roundingBound`; null if none does. Since each layer gets the recorded input, a fault in
 * one layer does not spread to the layers after it.
 */
export async function firstMismatch(model: Module, calls: readonly LayerCall[]): Promise<LayerMismatch | null> {
  for (const { path, inputs, output } of calls) {
    const module = model.getSubmodule(path);
    using again = callLayer(module, inputs);
    const [before, after] = await Promise.all([output.data(), again.data()]);
    const found = largestDifference(before as Float32Array, after as Float32Array);
    if (found.difference === 0) continue;
    const bounds = [await roundingBound(module, inputs, output), await roundingBound(module, inputs, again)];
    const bound = Math.max(...bounds);
    if (found.difference <= bound) continue;
    const position = positionOf(found.index, output.shape);
    return { path, difference: found.difference, bound, position, values: [found.a, found.b] };
  }
  return null;
}

/** Returns the sentence of a message about a mismatch. `names` are the names of the two values. */
export function describeMismatch(mismatch: LayerMismatch, names: readonly [string, string]): string {
  const { path, difference, bound, position, values } = mismatch;
  const pair = values.map((value, i) => `${short(value)} ${names[i]}`).join(", ");
  return (
    `${path} is the first layer with different outputs: they differ by ${short(difference)} at [${position.join(", ")}] ` +
    `(${pair}), and rounding explains ${short(bound)}`
  );
}
