import type { Module } from "@lowrank/nn";
import { during } from "./during.ts";

/** Runs `fn`, which may be async, with a module and all below it in evaluation mode; each is then in the mode it was in. */
export function evaluating<T>(module: Module, fn: () => T): T {
  const modes = [...module.namedModules()].map(([, part]) => [part, part.training] as const);
  return during(
    () => module.eval(),
    fn,
    () => {
      for (const [part, training] of modes) part.training = training;
    },
  );
}
