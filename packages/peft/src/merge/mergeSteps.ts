import type { Module } from "@lowrank/nn";
import type { MergeStep } from "../layers/mergeStep.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Tuner } from "../model/tuner.ts";
import { checkPackedMerge, type PackedMerge } from "./packedMerge.ts";

/**
 * Yields the steps of a merge, one for each module. With `all`, includes modules and token rows that are trained whole.
 * Throws at the start if a method cannot merge, or for a quantised weight without `dtype` or `requantize`.
 */
export function* mergeSteps(
  tuner: Tuner<Module>,
  names: readonly string[],
  all: boolean,
  packed: PackedMerge,
): Iterable<MergeStep> {
  for (const [path, wrapper] of tuner.wrappers) {
    const here = names.filter((name) => wrapper.has(name));
    if (here.length === 0 || !(all || wrapper instanceof TunerLayer)) continue;
    const stuck = wrapper instanceof TunerLayer && here.find((name) => !wrapper.get(name)?.merge);
    if (stuck) {
      throw new Error(`${path}: the method of adapter "${stuck}" cannot be merged into the weights; keep it unmerged`);
    }
    checkPackedMerge(path, wrapper.wrapped.parameters(), packed);
  }
  for (const [path, wrapper] of tuner.wrappers) {
    if (all || wrapper instanceof TunerLayer) yield* wrapper.mergeSteps(names, path);
  }
}
