import { dequantize } from "@lowrank/nn";
import { isPromptMethod } from "../methods/shared/method.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { compareOutputs, outputValues } from "../model/compareOutputs.ts";
import { evaluating } from "../model/evaluating.ts";
import type { Tuner } from "../model/tuner.ts";
import { checkMerge } from "./checkMerge.ts";
import type { MergedValue } from "./mergedValue.ts";
import type { MergeOptions } from "./mergeOptions.ts";
import type { MergeReport } from "./mergeReport.ts";
import { mergeSteps } from "./mergeSteps.ts";
import { writeMerged } from "./writeMerged.ts";

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
    tuner.release(names.includes(tuner.active ?? ""));
    if (options.dtype !== undefined) await dequantize(tuner.model, { dtype: options.dtype });
  });
}

/**
 * Checks all merged values, calls `merge` to write them into the model, and compares the model's outputs before and
 * after. If the merge can be undone (`forGood` is false), `merge` receives the checked values. A permanent merge
 * computes the values again, one layer at a time, so that memory never holds two copies of all weights.
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

/** Returns the adapters to merge; default: the active one. Throws if one cannot be merged, alone or with the others. */
function namesToMerge(tuner: Tuner<AdaptableModel>, adapterNames?: readonly string[]): readonly string[] {
  const { active } = tuner;
  const names = adapterNames ?? (active === null ? [] : [active]);
  if (names.length === 0) throw new Error("there is no active adapter to merge; name one in adapterNames");
  for (const name of names) {
    const { method, swaps } = tuner.adapter(name);
    if (isPromptMethod(method)) {
      throw new Error(
        `adapter "${name}" (${method.peftType}) puts virtual tokens before sequences; it cannot be merged into the weights`,
      );
    }
    if (names.length > 1 && method.mergesAlone) {
      throw new Error(
        `adapter "${name}" replaces parameters of its layers instead of adding to them: merge it alone, not with ${names.length - 1} others`,
      );
    }
    if (swaps.size > 0 && name !== active) {
      throw new Error(`adapter "${name}" has its own biases or tables; make it active with setAdapter before merging`);
    }
  }
  return names;
}
