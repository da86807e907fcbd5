import { abs, affine, type DType, Generator, max, mean, noGrad, scope, sub, sum, type Tensor } from "@lowrank/core";
import type { MergeStep } from "../layers/mergeStep.ts";
import { wide } from "../layers/tunerLayer.ts";
import { compareLayer, type LayerDifference } from "./compareLayer.ts";
import { type HeldValue, layerAnswers } from "./layerAnswers.ts";
import { MergedValue } from "./mergedValue.ts";
import { type PackedMerge, rounded } from "./packedMerge.ts";

/** How far a merged weight lies from the exact sum, by rounding to half precision or to 4 bits. */
export interface MergeDrift {
  path: string;
  dtype: DType;
  maxAbs: number;
  meanAbs: number;
}

/** What is to be looked at before a merge. */
interface MergeChecks {
  /** That merged values are finite, and how far they are rounded. */
  values: boolean;
  /** That layers answer as before. */
  layers: boolean;
}

/** What was found, and where asked for, the merged values, which are not in place yet. */
interface CheckedMerge {
  drift: MergeDrift[];
  layers: LayerDifference[];
  values: MergedValue[];
}

/**
 * Looks at every merged value before any is put in place, one layer at a time, and gives them where `keep`. Throws, naming the parameter
 * or the layer, where one is not finite, or the layer would answer otherwise.
 */
export async function checkMerge(
  steps: Iterable<MergeStep>,
  adapters: readonly string[],
  { packed, checks, keep }: { packed: PackedMerge; checks: MergeChecks; keep: boolean },
): Promise<CheckedMerge> {
  const found: CheckedMerge = { drift: [], layers: [], values: [] };
  if (!checks.values && !checks.layers && !keep) return found;
  const generator = new Generator(0);
  try {
    for (const step of steps) {
      const { measured, answers } = noGrad(() =>
        scope(() => {
          const made = measure(step, packed, checks, generator);
          if (keep) found.values.push(...made.held.map(({ replacement, held }) => new MergedValue(replacement, held)));
          return { measured: made.held.map((value) => measureValue(value, checks)), answers: made.answers };
        }),
      );
      for (const { path, dtype, probe, moved } of measured) {
        if (probe && (await taken(probe)) !== 0) {
          throw new Error(
            `merging ${adapters.join(", ")} would give ${path} a NaN or an infinity${dtype === "f16" ? " (f16 ends at 65504)" : ""}; the adapter seems to be broken. Nothing was merged`,
          );
        }
        if (!moved) continue;
        found.drift.push({ path, dtype, maxAbs: await taken(moved.largest), meanAbs: await taken(moved.average) });
      }
      const dtypes = measured.map(({ dtype }) => dtype);
      if (answers) found.layers.push(await compareLayer(step.path, adapters, answers, dtypes));
    }
    return found;
  } catch (error) {
    for (const { on } of found.values) on.dispose();
    throw error;
  }
}

/** A number, whose tensor is freed. */
async function taken(number: Tensor): Promise<number> {
  using _ = number;
  return number.item();
}

/** What a step merges, as the model will hold it, and how its layer answers. */
function measure(step: MergeStep, packed: PackedMerge, checks: MergeChecks, generator: Generator) {
  const held = () => step.merged().map((replacement) => ({ replacement, held: rounded(replacement, packed) }));
  if (!checks.layers) return { held: held(), answers: null };
  return layerAnswers(step, generator, held);
}

function measureValue({ replacement: { path, value }, held }: HeldValue, { values }: MergeChecks) {
  const { dtype } = held;
  if (!values) return { path, dtype, probe: null, moved: null };
  const kept = wide(held);
  // 0 for finite numbers, NaN for others.
  const probe = sum(affine(kept, { scale: 0 }));
  if (held === value) return { path, dtype, probe, moved: null };
  const difference = abs(sub(kept, value));
  return { path, dtype, probe, moved: { largest: max(difference), average: mean(difference) } };
}
