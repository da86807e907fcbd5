import {
  abs,
  affine,
  type DType,
  Generator,
  max,
  mean,
  noGrad,
  scope,
  sub,
  sum,
  type Tensor,
  yieldIfDue,
} from "@lowrank/core";
import { toF32 } from "../layers/tunerLayer.ts";
import type { MergeStep } from "../layers/wrapper.ts";
import { compareLayer, type LayerDifference } from "./compareLayer.ts";
import { layerAnswers, type StoredValue } from "./layerAnswers.ts";
import { MergedValue, type PackedMerge, rounded } from "./packedMerge.ts";

/**
 * Rounding error of a merged weight that is not stored in f32 but in half precision or 4 bits: the difference from its
 * f32 value.
 */
export interface MergeDrift {
  path: string;
  dtype: DType;
  maxAbs: number;
  meanAbs: number;
}

/** Checks to make before a merge. */
interface MergeChecks {
  /** True to check that merged values are finite and to measure their rounding errors. */
  values: boolean;
  /** True to check that each layer's output is the same before and after the merge, except for rounding. */
  layers: boolean;
}

/**
 * Results of the checks. `values` contains the merged values, which are not yet written into the model. It is empty
 * unless `keep` is set.
 */
interface CheckedMerge {
  drift: MergeDrift[];
  layers: LayerDifference[];
  values: MergedValue[];
}

/**
 * Checks the merge of every layer, one at a time, before any value is written. Returns the merged values if `keep` is
 * set. Throws if a value is not finite or a layer's output would change; the error names the parameter or layer. Also
 * throws if the signal is aborted.
 */
export async function checkMerge(
  steps: Iterable<MergeStep>,
  adapters: readonly string[],
  { packed, checks, keep, signal }: { packed: PackedMerge; checks: MergeChecks; keep: boolean; signal?: AbortSignal },
): Promise<CheckedMerge> {
  const found: CheckedMerge = { drift: [], layers: [], values: [] };
  signal?.throwIfAborted();
  if (!checks.values && !checks.layers && !keep) return found;
  const generator = new Generator(0);
  try {
    for (const step of steps) {
      await yieldIfDue(signal);
      const { measured, answers } = noGrad(() =>
        scope(() => {
          const merged = measure(step, packed, checks, generator);
          if (keep)
            found.values.push(...merged.stored.map(({ replacement, stored }) => new MergedValue(replacement, stored)));
          return { measured: merged.stored.map((value) => measureValue(value, checks)), answers: merged.answers };
        }),
      );
      for (const { path, dtype, probe, moved } of measured) {
        if (probe && (await readAndFree(probe)) !== 0) {
          throw new Error(
            `merging ${adapters.join(", ")} would give ${path} a NaN or an infinity${dtype === "f16" ? " (f16 ends at 65504)" : ""}; the adapter seems to be broken. Nothing was merged`,
          );
        }
        if (!moved) continue;
        found.drift.push({
          path,
          dtype,
          maxAbs: await readAndFree(moved.largest),
          meanAbs: await readAndFree(moved.average),
        });
      }
      const dtypes = measured.map(({ dtype }) => dtype);
      if (answers) found.layers.push(await compareLayer(step.path, adapters, answers, dtypes));
    }
    await yieldIfDue(signal);
    return found;
  } catch (error) {
    for (const { on } of found.values) on.dispose();
    throw error;
  }
}

/** Returns the value of a scalar tensor and frees it. */
async function readAndFree(number: Tensor): Promise<number> {
  using _ = number;
  return number.item();
}

/**
 * Computes a step's merged values in the dtypes in which the model will store them. If `checks.layers` is set, also
 * computes the layer's outputs before and after the merge.
 */
function measure(step: MergeStep, packed: PackedMerge, checks: MergeChecks, generator: Generator) {
  const storedValues = () =>
    step.merged().map((replacement) => ({ replacement, stored: rounded(replacement, packed) }));
  if (!checks.layers) return { stored: storedValues(), answers: null };
  return layerAnswers(step, generator, storedValues);
}

function measureValue({ replacement: { path, value }, stored }: StoredValue, { values }: MergeChecks) {
  const { dtype } = stored;
  if (!values) return { path, dtype, probe: null, moved: null };
  const wideValue = toF32(stored);
  // 0 if all values are finite, otherwise NaN.
  const probe = sum(affine(wideValue, { scale: 0 }));
  if (stored === value) return { path, dtype, probe, moved: null };
  const difference = abs(sub(wideValue, value));
  return { path, dtype, probe, moved: { largest: max(difference), average: mean(difference) } };
}
