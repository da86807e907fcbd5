import { UnfitError } from "../../errors/unfitError.ts";
import type { ModelSubject } from "../../subjects/subject.ts";
import type { PropertyOptions } from "../shared/propertyOptions.ts";
import { type ConfigSubject, withAdapter } from "../shared/withAdapter.ts";
import { checkAlpha } from "./checkAlpha.ts";
import { checkDropout } from "./checkDropout.ts";
import { checkRanks } from "./checkRanks.ts";

/**
 * The rank, alpha and dropout of a configuration take effect. Rank and alpha also do for single layers.
 *
 * - Another `r` gives tensors of other sizes. For methods whose layers add a product B A, the factors have exactly this
 *   rank. A `rankPattern` for one layer gives this layer the tensors of that rank, and leaves the others alone.
 * - Twice the alpha doubles the update. Where the factors B are known, an adapter with twice the alpha has the outputs
 *   of an adapter with twice B, which also holds for DoRA. For other methods, the difference to the base model's
 *   outputs doubles. An `alphaPattern` for one layer has the effect of this alpha there, and none elsewhere.
 *   Differences up to `roundingBound` are allowed.
 * - With a dropout of 0.5, the outputs of linear layers with a product B A change in training mode.
 *
 * The rank is tested for methods whose `sizes` contain `r`, alpha for methods with an option whose flag is `alpha`,
 * dropout for methods with an option whose flag is `dropout`. The property compares adapters with each other. It does
 * not test the definition of the scale, such as alpha / r.
 *
 * Throws `PropertyError` with code "config_ignored" and the first layer or tensor that differs.
 *
 * @example
 * ```ts
 * await configIsApplied(smallestModel, new LoraConfig({ r: 2, useDora: true, targetModules: "all-linear" }));
 * ```
 */
export async function configIsApplied(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter("configIsApplied", model, config, options, async (adapted) => {
    const tested = [await checkRanks(adapted), await checkAlpha(adapted), await checkDropout(adapted)];
    if (!tested.includes(true)) throw new UnfitError("no other rank, alpha or dropout fits this configuration");
  });
}
