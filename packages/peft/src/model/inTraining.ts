import type { Module } from "@lowrank/nn";
import { AdapterSlot } from "../layers/adapterSlot.ts";

/**
 * Returns true if the module or a submodule is in training mode. Does not look into adapter slots, of which there may
 * be many, since they have the mode of their layers.
 */
export function inTraining(module: Module): boolean {
  if (module.training) return true;
  for (const [, child] of module.namedChildren()) if (!(child instanceof AdapterSlot) && inTraining(child)) return true;
  return false;
}
