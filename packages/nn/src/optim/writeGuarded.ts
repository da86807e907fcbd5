import { sub, type Tensor } from "@lowrank/core";
import { sgdStep } from "@lowrank/core/internal";
import type { Guard } from "./optimizer.ts";

const plain = { lr: 1, weightDecay: 0, momentum: 0, dampening: 0, nesterov: false, first: false };

/** Writes `value` into `target`, unless the guard stops the step. */
export function writeGuarded(target: Tensor, value: Tensor, guard: Guard): void {
  sgdStep(target, sub(target, value), ...guard.tensors, { ...plain, ...guard.params });
}

/** Subtracts `lr` (`move` + `weightDecay` · `param`) from `param`, unless the guard stops the step. */
export function moveGuarded(
  param: Tensor,
  move: Tensor,
  { lr, weightDecay }: { readonly lr: number; readonly weightDecay: number },
  guard: Guard,
): void {
  sgdStep(param, move, ...guard.tensors, { ...plain, lr, weightDecay, ...guard.params });
}
