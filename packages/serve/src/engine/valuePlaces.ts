import { byteLength as bytesOf, type Tensor } from "@lowrank/core";
import type { MethodFacts, PeftConfig, PeftModel } from "@lowrank/peft";
import type { AdapterLayout } from "../api/adapterProvider.ts";

/**
 * Returns the tensors of an adapter on a model in the order of its file, if another adapter's values can be written
 * into them. This requires that the adapter consists of low-rank products only, stored in memory with the file's dtypes
 * and sizes. Otherwise returns null, since loading may have transformed the values.
 */
export function valuePlaces(
  tuner: PeftModel["base_model"],
  name: string,
  { tensors }: AdapterLayout,
): readonly Tensor[] | null {
  const { method, config, prompt, allocator, swaps, tables } = tuner.adapter(name);
  const { combines: form } = method as MethodFacts<PeftConfig>;
  const isProducts = form?.kind === "products" && form.besides(config) === null;
  if (!isProducts || prompt || allocator || swaps.size + tables.size + tuner.constants(name).size > 0) return null;
  const trained = tuner.trained(name);
  if (trained.size !== tensors.length) return null;
  const places: Tensor[] = [];
  for (const { key, dtype, byteLength } of tensors) {
    const tensor = trained.get(key);
    if (tensor?.dtype.toUpperCase() !== dtype || bytesOf(tensor.spec()) !== byteLength) return null;
    places.push(tensor);
  }
  return places;
}
