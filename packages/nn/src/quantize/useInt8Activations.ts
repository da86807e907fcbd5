import { dtypes, isPacked } from "@lowrank/core";
import { enableInt8Activations, supportsInt8Activations } from "@lowrank/core/internal";
import { Linear } from "../layers/linear.ts";
import type { Module } from "../module/module.ts";

/**
 * Makes linear layers round their inputs to 8-bit integers, if their weight has integer codes or is nf4 or fp4. Returns
 * the number of these layers. See `Linear.activations`. Throws if the model has none.
 */
export function useInt8Activations(model: Module): number {
  const layers = [...model.namedModules()].flatMap(([, module]) => (module instanceof Linear ? [module] : []));
  const packed = layers.filter(({ weight }) => supportsInt8Activations(weight));
  if (packed.length === 0) {
    const coded = dtypes.filter(isPacked);
    throw new Error(
      `useInt8Activations: no linear layer has a weight in ${coded.join(" or ")} for bytes to be multiplied with`,
    );
  }
  enableInt8Activations();
  for (const layer of packed) layer.activations = "int8";
  return packed.length;
}
