import { copyInto, isPacked, noGrad, scope, yieldIfDue } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { MergeStep } from "../layers/mergeStep.ts";
import { placesOf, valueAt } from "../layers/swap.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Tuner } from "../model/tuner.ts";
import { MergedValue } from "./mergedValue.ts";
import { type PackedMerge, rounded } from "./packedMerge.ts";

/**
 * Writes merged values into the base model permanently. A parameter that several modules share is replaced in all of
 * them. If the merge changes only one of these modules, this module gets its own parameter instead. Yields to the event
 * loop between layers. A layer that is already written skips its adapters, so that the model's outputs stay the same
 * during the merge.
 */
export async function writeMerged(
  { model, wrappers }: Pick<Tuner<Module>, "model" | "wrappers">,
  steps: Iterable<MergeStep>,
  packed: PackedMerge,
): Promise<void> {
  const places = placesOf(model);
  for (const step of steps) {
    noGrad(() =>
      scope(() => {
        for (const replacement of step.merged()) {
          const { owners, key } = replacement;
          const value = rounded(replacement, packed);
          const before = valueAt({ owner: owners[0], key });
          const own = before !== null && (places.get(before)?.length ?? 1) <= owners.length;
          if (own && !isPacked(before.dtype)) {
            copyInto(before, value);
            continue;
          }
          new MergedValue(replacement, value).set(true);
          if (own) before.dispose();
        }
      }),
    );
    const wrapper = wrappers.get(step.path);
    if (wrapper instanceof TunerLayer) wrapper.merged = true;
    await yieldIfDue();
  }
}
