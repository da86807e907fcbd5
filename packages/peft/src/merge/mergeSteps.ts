import type { Module } from "@lowrank/nn";
import type { MergeStep } from "../layers/mergeStep.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Tuner } from "../model/tuner.ts";
import { checkPackedMerge, type PackedMerge } from "./packedMerge.ts";

/**
 * Yields one merge step for each module that a method adapts. If `all` is true, also yields steps for modules and token
 * rows that are trained in full. Throws before the first step if a method cannot merge, or if a weight is quantised and
 * neither `dtype` nor `requantize` is set.
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
