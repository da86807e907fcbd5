import { firstMismatch } from "../comparing/compareLayers.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnLayer } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type Adapted, type ConfigSubject, checkMerges, withAdapter } from "./shared/withAdapter.ts";

const property = "mergeEqualsUnmerged";

/**
 * Merging does not change outputs. Records the inputs and outputs of every layer with the adapter unmerged, merges, and
 * calls each layer again on its recorded input. First merges in place (`mergeAdapter`). Then merges permanently
 * (`mergeAndUnload`), unless `model` is a module that you own. The merge's own check is off. Differences up to
 * `roundingBound` are allowed. Quantised weights are merged into f32. The whole model's outputs are not compared, since
 * rounding has no useful bound over several layers: softmax and the choice of experts can enlarge it without limit.
 *
 * Throws `PropertyError` with code "merge_differs" and the first differing layer, and the errors of the merge.
 *
 * @example
 * ```ts
 * await mergeEqualsUnmerged(smallestModel, new LoraConfig({ r: 2, targetModules: "all-linear" }));
 * await mergeEqualsUnmerged(() => new Net(), config, { inputs: [x], values: { kind: "large", seed: 3 } });
 * ```
 */
export async function mergeEqualsUnmerged(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, checkMergeOf);
}

/** Checks the property for an adapter with its present values. */
export async function checkMergeOf(
  adapted: Pick<Adapted, "peft" | "paths" | "run" | "isOwned" | "mergeOptions"> & { readonly seed: number | null },
): Promise<void> {
  const { peft, paths, run, seed, isOwned, mergeOptions } = adapted;
  checkMerges(peft);
  const calls = recordCalls(peft.baseModel, paths, () => run(peft));
  const check = async (how: string) => {
    const found = await firstMismatch(peft.baseModel, calls);
    failOnLayer({ code: "merge_differs", property, seed }, found, `after ${how}`, ["unmerged", "merged"]);
  };
  try {
    await peft.mergeAdapter(mergeOptions);
    try {
      await check("mergeAdapter");
    } finally {
      peft.unmergeAdapter();
    }
    if (isOwned) return;
    await peft.mergeAndUnload(mergeOptions);
    await check("mergeAndUnload");
  } finally {
    freeCalls(calls);
  }
}
