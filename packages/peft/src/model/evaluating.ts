import type { Module } from "@lowrank/nn";
import { AdapterSlot } from "../layers/adapterSlot.ts";

/**
 * Runs `fn`, which may be async, with the given modules and their submodules in evaluation mode. Restores each module's
 * previous mode afterwards.
 */
export function evaluating<T>(modules: readonly Module[], fn: () => T): T {
  const parts = modules.flatMap((module) => [...module.namedModules()].map(([, part]) => part));
  const modes = parts.map(({ training }) => training);
  return runBetween(
    () => {
      for (const part of parts) part.training = false;
    },
    fn,
    () => {
      for (const [i, part] of parts.entries()) part.training = modes[i];
    },
  );
}

/**
 * Returns true if the module or a submodule is in training mode. Does not check the contents of an `AdapterSlot`, which
 * has one entry for each adapter. These entries are always in the same mode as their layer.
 */
export function inTraining(module: Module): boolean {
  if (module.training) return true;
  for (const [, child] of module.namedChildren()) if (!(child instanceof AdapterSlot) && inTraining(child)) return true;
  return false;
}

/** Calls `before`, then `fn`, which may be async, and then `after`, even if `fn` throws. */
export function runBetween<T>(before: () => void, fn: () => T, after: () => void): T {
  before();
  let result: T;
  try {
    result = fn();
  } catch (error) {
    after();
    throw error;
  }
  if (result instanceof Promise) return result.finally(after) as T;
  after();
  return result;
}
