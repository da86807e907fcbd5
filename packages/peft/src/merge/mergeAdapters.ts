import { copyInto, isPacked, noGrad, scope, yieldIfDue } from "@lowrank/core";
import { dequantize, type Module } from "@lowrank/nn";
import { UnsupportedError } from "../config/checks.ts";
import { placesOf, valueAt } from "../layers/swap.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { MergeStep, Wrappers } from "../layers/wrapper.ts";
import { isPromptMethod } from "../methods/shared/method.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { compareOutputs, outputValues } from "../model/compareOutputs.ts";
import { evaluating } from "../model/evaluating.ts";
import type { Tuner } from "../model/tuner.ts";
import { checkMerge } from "./checkMerge.ts";
import type { MergeOptions, MergeReport } from "./mergeOptions.ts";
import { checkPackedMerge, MergedValue, type PackedMerge, rounded } from "./packedMerge.ts";

/** Merges adapters into the model. Keeps the replaced weights, so that `unmergeAdapter` can restore them. */
export async function mergeInPlace<M extends AdaptableModel>(
  tuner: Tuner<M>,
  options: MergeOptions<M>,
): Promise<MergeReport> {
  const names = namesToMerge(tuner, options.adapterNames);
  if (tuner.mergedNames.length > 0) {
    throw new Error(`${tuner.mergedNames.join(", ")} is merged; call unmergeAdapter first`);
  }
  return checked(tuner, names, options, { forGood: false }, async (values) => {
    for (const value of values) value.set(true);
    tuner.setMerged(names, values);
  });
}

/** Writes merged weights into the base model permanently, and removes all adapters. */
export async function mergePermanently<M extends AdaptableModel>(
  tuner: Tuner<M>,
  options: MergeOptions<M>,
): Promise<MergeReport> {
  const names = namesToMerge(tuner, options.adapterNames);
  tuner.unmerge();
  return checked(tuner, names, options, { forGood: true }, async () => {
    await writeMerged(tuner, mergeSteps(tuner, names, true, options), options);
    tuner.release(names);
    if (options.dtype !== undefined) await dequantize(tuner.model, { dtype: options.dtype });
  });
}

/**
 * Checks all merged values, calls `merge` to write them into the model, and compares the model's outputs before and
 * after. For a merge that can be undone (`forGood` is false), passes the checked values to `merge`. For a permanent
 * merge, passes an empty list, and `merge` computes the values again layer by layer. Memory then never holds two copies
 * of all weights.
 */
async function checked<M extends AdaptableModel>(
  tuner: Tuner<M>,
  adapters: readonly string[],
  { safeMerge = true, verify, signal, ...packed }: MergeOptions<M>,
  { forGood }: { forGood: boolean },
  merge: (values: readonly MergedValue[]) => Promise<void>,
): Promise<MergeReport> {
  const still = <T>(fn: () => Promise<T>) => evaluating([tuner, tuner.encoders], fn);
  const answers = async () => (verify ? still(() => outputValues(tuner.model, verify.inputs)) : null);
  const before = await answers();
  const steps = mergeSteps(tuner, adapters, forGood, packed);
  const checks = { values: safeMerge, layers: verify !== false };
  const { values, ...found } = await still(() =>
    checkMerge(steps, adapters, { packed, checks, keep: !forGood, signal }),
  );
  await merge(values);
  const after = await answers();
  return { adapters, ...found, ...(before && after && compareOutputs(before, after)) };
}

/** Returns the adapters to merge, by default the active ones. Throws if one cannot be merged, alone or with others. */
function namesToMerge(tuner: Tuner<AdaptableModel>, adapterNames?: readonly string[]): readonly string[] {
  const { active } = tuner;
  const names = adapterNames ?? active;
  if (names.length === 0) throw new Error("there is no active adapter to merge; name one in adapterNames");
  for (const name of names) {
    const { method, swaps } = tuner.adapter(name);
    if (isPromptMethod(method)) {
      throw new UnsupportedError(
        "not_mergeable",
        `adapter "${name}" (${method.peftType}) puts virtual tokens before sequences; it cannot be merged into the weights, so keep it unmerged`,
      );
    }
    if (names.length > 1 && method.mergesAlone) {
      throw new Error(
        `adapter "${name}" replaces parameters of its layers instead of adding to them: merge it alone, not with ${names.length - 1} others`,
      );
    }
    if (swaps.size > 0 && !active.includes(name)) {
      throw new Error(`adapter "${name}" has its own biases or tables; make it active with setAdapter before merging`);
    }
  }
  return names;
}

/**
 * Yields one merge step for each module that a method adapts. If `all` is true, also yields steps for modules that are
 * trained in full and for retrained token embeddings. Throws before the first step if a method cannot merge, or if a
 * weight is quantised and neither `dtype` nor `requantize` is set.
 */
function* mergeSteps(
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
      const { peftType } = tuner.adapter(stuck).method;
      const why = wrapper.get(stuck)?.unmergeable ?? "the method has no merge";
      throw new UnsupportedError(
        "not_mergeable",
        `${path}: adapter "${stuck}" (${peftType}) cannot be merged into the weights: ${why}; keep it unmerged`,
      );
    }
    checkPackedMerge(path, wrapper.wrapped.parameters(), packed);
  }
  const mergeable = [...tuner.wrappers].filter(([, wrapper]) => all || wrapper instanceof TunerLayer);
  if (names.length > 1) checkSharing(new Map(mergeable), names);
  for (const [path, wrapper] of mergeable) yield* wrapper.mergeSteps(names, path);
}

/**
 * Throws if two adapters of a module differ in the modules that share its weight. Their merged weights would then be
 * one weight for some of these modules, and another for the rest.
 */
function checkSharing(wrappers: Wrappers, names: readonly string[]): void {
  const paths = new Map([...wrappers].map(([path, { wrapped }]) => [wrapped, path]));
  for (const [path, wrapper] of wrappers) {
    const groups = names
      .filter((name) => wrapper.has(name))
      .map((name) => {
        const all = [...wrappers.values()].map((other) => (other.has(name) ? other.mergedInto(name) : []));
        return { name, group: all.find((modules) => modules.includes(wrapper.wrapped)) ?? [wrapper.wrapped] };
      });
    for (const { name, group } of groups) {
      const other = groups.find((one) => one.group.some((module) => !group.includes(module)));
      const shared = other?.group.find((module) => !group.includes(module));
      if (!other || !shared) continue;
      throw new Error(
        `${path} shares its weight with ${paths.get(shared)} in adapter "${other.name}", but not in "${name}"; merge one of them alone`,
      );
    }
  }
}

/**
 * Writes merged values into the base model permanently. If all modules that share a parameter are merged, the new value
 * replaces it in all of them. If only one of these modules is merged, it gets its own parameter instead. Yields to the
 * event loop between layers. A layer whose merged weights are already written skips its adapters, so that the model's
 * outputs stay the same during the merge.
 */
async function writeMerged(
  { model, wrappers }: Pick<Tuner<Module>, "model" | "wrappers">,
  steps: Iterable<MergeStep>,
  packed: PackedMerge,
): Promise<void> {
  const places = placesOf(model);
  for (const step of steps) {
    const merged = new Set<Module>([step.module]);
    noGrad(() =>
      scope(() => {
        for (const replacement of step.merged()) {
          const { owners, key } = replacement;
          for (const owner of owners) merged.add(owner);
          const value = rounded(replacement, packed);
          const before = valueAt({ owner: owners[0], key });
          const holders = (before && places.get(before)) ?? [];
          const own = before !== null && holders.length <= owners.length;
          if (own && !isPacked(before.dtype)) {
            copyInto(before, value);
            continue;
          }
          new MergedValue(replacement, value).set(true);
          if (own) before.dispose();
          // The last module that is merged into, such as a layer's last replica, can then overwrite the parameter.
          else if (before)
            places.set(
              before,
              holders.filter(({ owner }) => !owners.includes(owner)),
            );
        }
      }),
    );
    for (const wrapper of wrappers.values()) {
      if (wrapper instanceof TunerLayer && merged.has(wrapper.wrapped)) wrapper.merged = true;
    }
    await yieldIfDue();
  }
}
