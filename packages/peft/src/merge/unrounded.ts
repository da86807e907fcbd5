import { withFloat32MatmulPrecision } from "@lowrank/core";
import { Linear, type Module } from "@lowrank/nn";
import { runBetween } from "../model/evaluating.ts";

/**
 * Runs `fn`, which must be synchronous, while a module computes in f32, without reduced precision for inputs or
 * products.
 */
export function unrounded<T>(module: Module, fn: () => T): T {
  const given = [...module.parameters()].map((parameter) => [parameter, parameter.precision] as const);
  return runBetween(
    () => {
      for (const [parameter] of given) parameter.precision = undefined;
    },
    () => withFloat32MatmulPrecision("highest", () => (module instanceof Linear ? module.exactly(fn) : fn())),
    () => {
      for (const [parameter, own] of given) parameter.precision = own;
    },
  );
}
