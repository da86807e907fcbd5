import type { Module } from "@lowrank/nn";
import { AdapterSlot } from "../layers/adapterSlot.ts";

/**
 * Returns true if a part of a model is in training mode. Adapters' own parts, which may be many,
 * are in the mode of the layers that they sit on.
 */
export function inTraining(module: Module): boolean {
  if (module.training) return true;
  for (const [, child] of module.namedChildren()) if (!(child instanceof AdapterSlot) && inTraining(child)) return true;
  return false;
}
