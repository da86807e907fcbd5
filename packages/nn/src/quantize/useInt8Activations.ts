import { dtypes, isPacked } from "@lowrank/core";
import { enableInt8Activations, supportsInt8Activations } from "@lowrank/core/internal";
import { Linear } from "../layers/linear/linear.ts";
import type { Module } from "../module/module.ts";

/**
 * Sets `activations` to "int8" in all linear layers whose weight supports that: GGUF formats with integer codes, nf4
 * and fp4. Their inputs are then rounded to 8-bit integers. Returns the number of these layers; throws if the model has
 * none.
 */
export function useInt8Activations(model: Module): number {
  const layers = [...model.namedModules()].flatMap(([, module]) => (module instanceof Linear ? [module] : []));
  const packed = layers.filter(({ weight }) => supportsInt8Activations(weight));
  if (packed.length === 0) {
    const coded = dtypes.filter(isPacked);
    throw new Error(
      `useInt8Activations: no linear layer has a packed weight (${coded.join(" or ")}) that supports int8 activations`,
    );
  }
  enableInt8Activations();
  for (const layer of packed) layer.activations = "int8";
  return packed.length;
}
