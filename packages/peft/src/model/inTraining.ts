import type { Module } from "@lowrank/nn";
import { AdapterSlot } from "../layers/adapterSlot.ts";

/**
 * Returns true if a part of a model is in training mode. Skips adapter slots, which may be many: they share the mode of
 * their layers.
 */
export function inTraining(module: Module): boolean {
  if (module.training) return true;
  for (const [, child] of module.namedChildren()) if (!(child instanceof AdapterSlot) && inTraining(child)) return true;
  return false;
}
