import type { Module } from "@lowrank/nn";
import { runBetween } from "./runBetween.ts";

/**
 * Runs `fn`, which may be async, with modules and all below them in evaluation mode; each is
 * then in the mode it was in.
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
