import { dtypes, enableInt8Activations, isPacked, supportsInt8Activations } from "@lowrank/core";
import { Linear } from "../layers/linear.ts";
import type { Module } from "../module/module.ts";

/**
 * Makes every linear layer whose weight has integer codes, or is in nf4 or fp4, round its inputs
 * to bytes. Returns the number of these layers. See `Linear.activations`. Throws where there is
 * none.
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
