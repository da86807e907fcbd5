import { describeMismatch, firstMismatch } from "../comparing/compareLayers.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import { PropertyError } from "../errors/propertyError.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import type { PropertyOptions } from "./propertyOptions.ts";
import { type ConfigSubject, withAdapter } from "./withAdapter.ts";

const property = "mergeEqualsUnmerged";

/**
 * Merging does not change outputs. Records the inputs and outputs of every layer with the adapter unmerged, merges, and
 * calls each layer again on its recorded input. First merges in place (`mergeAdapter`). Then merges permanently
 * (`mergeAndUnload`), unless `model` is a module that you own. The merge's own check is off. Differences up to
 * `roundingBound` are allowed. Quantised weights are merged into f32.
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
  await withAdapter(property, model, config, options, async ({ peft, paths, run, seed, isOwned, mergeOptions }) => {
    const calls = recordCalls(peft.baseModel, paths, () => run(peft));
    const check = async (how: string) => {
      const found = await firstMismatch(peft.baseModel, calls);
      if (!found) return;
      const detail = `after ${how}, ${describeMismatch(found, ["unmerged", "merged"])}`;
      const { path: layer, difference, bound, position } = found;
      throw new PropertyError({ code: "merge_differs", property, layer, difference, bound, position, seed, detail });
    };
    try {
      await peft.mergeAdapter(mergeOptions);
      await check("mergeAdapter");
      peft.unmergeAdapter();
      if (isOwned) return;
      await peft.mergeAndUnload(mergeOptions);
      await check("mergeAndUnload");
    } finally {
      freeCalls(calls);
    }
  });
}
