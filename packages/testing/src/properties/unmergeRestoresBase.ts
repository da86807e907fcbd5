import { firstBitMismatch, snapshot } from "../comparing/exactBits.ts";
import { PropertyError } from "../errors/propertyError.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnBits } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, checkMerges, withAdapter } from "./shared/withAdapter.ts";

const property = "unmergeRestoresBase";

/**
 * `unmergeAdapter` restores every tensor of the model to the last bit, including the adapter's own tensors. All
 * parameters require gradients as before the merge.
 *
 * Throws `PropertyError` with code "base_not_restored" and the first tensor with other bits, or the first parameter
 * that requires gradients only before or only after the merge.
 *
 * @example
 * ```ts
 * await unmergeRestoresBase({ ...smallestModel, dtype: "bf16" }, new LoraConfig({ r: 2 }));
 * ```
 */
export async function unmergeRestoresBase(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async ({ peft, seed, mergeOptions }) => {
    checkMerges(peft);
    const before = await snapshot(peft.stateDict());
    const required = new Map([...peft.namedParameters()].map(([name, { requiresGrad }]) => [name, requiresGrad]));
    await peft.mergeAdapter(mergeOptions);
    peft.unmergeAdapter();
    const found = firstBitMismatch(before, await snapshot(peft.stateDict()));
    const failing = { code: "base_not_restored", property, seed } as const;
    failOnBits(failing, found, "after unmergeAdapter");
    for (const [name, { requiresGrad }] of peft.namedParameters()) {
      if (requiresGrad === required.get(name)) continue;
      const [now, earlier] = requiresGrad ? ["requires a gradient", "none"] : ["requires no gradient", "one"];
      const detail = `after unmergeAdapter, ${name} ${now}, and it required ${earlier} before the merge`;
      throw new PropertyError({ ...failing, layer: name, detail });
    }
  });
}
