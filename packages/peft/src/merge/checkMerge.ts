import { abs, affine, type DType, Generator, max, mean, noGrad, scope, sub, sum, type Tensor } from "@lowrank/core";
import { wide } from "../layers/tunerLayer.ts";
import { compareLayer, type LayerDifference } from "./compareLayer.ts";
import { type HeldValue, layerAnswers } from "./layerAnswers.ts";
import type { MergeStep } from "./mergeStep.ts";
import { type PackedMerge, rounded } from "./packedMerge.ts";

/** How far a merged weight lies from the exact sum, by rounding to half precision or to 4 bits. */
export interface MergeDrift {
  path: string;
  dtype: DType;
  maxAbs: number;
  meanAbs: number;
}

/** What is to be looked at before a merge. */
export interface MergeChecks {
  /** That merged values are finite, and how far they are rounded. */
  values: boolean;
  /** That layers answer as before. */
  layers: boolean;
}

/**
 * Looks at every merged value before any is written, one layer at a time. Throws, naming the parameter or the layer, where one is not
 * finite, or the layer would answer otherwise; tells how far values that are rounded drift, and answers with them.
 */
export async function checkMerge(
  steps: Iterable<MergeStep>,
  adapters: readonly string[],
  packed: PackedMerge,
  checks: MergeChecks,
): Promise<{ drift: MergeDrift[]; layers: LayerDifference[] }> {
  const drift: MergeDrift[] = [];
  const layers: LayerDifference[] = [];
  if (!checks.values && !checks.layers) return { drift, layers };
  const generator = new Generator(0);
  for (const step of steps) {
    const { measured, answers } = noGrad(() => scope(() => measure(step, packed, checks, generator)));
    for (const { path, dtype, probe, moved } of measured) {
      if (probe && (await taken(probe)) !== 0) {
        throw new Error(
          `merging ${adapters.join(", ")} would give ${path} a NaN or an infinity${dtype === "f16" ? " (f16 ends at 65504)" : ""}; the adapter seems to be broken. Nothing was merged`,
        );
      }
      if (moved) drift.push({ path, dtype, maxAbs: await taken(moved.largest), meanAbs: await taken(moved.average) });
    }
    if (answers)
      layers.push(
        await compareLayer(
          step.path,
          adapters,
          answers,
          measured.map(({ dtype }) => dtype),
        ),
      );
  }
  return { drift, layers };
}

/** A number, whose tensor is freed. */
async function taken(number: Tensor): Promise<number> {
  using _ = number;
  return number.item();
}

function measure(step: MergeStep, packed: PackedMerge, checks: MergeChecks, generator: Generator) {
  let values: HeldValue[] | undefined;
  const held = () => {
    values ??= step.merged().map((replacement) => ({ replacement, held: rounded(replacement, packed) }));
    return values;
  };
  const answers = checks.layers ? layerAnswers(step, generator, held) : null;
  return { measured: held().map((value) => measureValue(value, checks)), answers };
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
