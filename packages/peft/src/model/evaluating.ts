import type { Module } from "@lowrank/nn";
import { runBetween } from "./runBetween.ts";

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
