import { firstBitMismatch, snapshot } from "../comparing/exactBits.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnBits } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, checkMerges, withAdapter } from "./shared/withAdapter.ts";

const property = "unmergeRestoresBase";

/**
 * `unmergeAdapter` restores every tensor of the model to the last bit, including the adapter's own tensors.
 *
 * Throws `PropertyError` with code "base_not_restored" and the first tensor with other bits.
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
    await peft.mergeAdapter(mergeOptions);
    peft.unmergeAdapter();
    const found = firstBitMismatch(before, await snapshot(peft.stateDict()));
    failOnBits({ code: "base_not_restored", property, seed }, found, "after unmergeAdapter");
  });
}
