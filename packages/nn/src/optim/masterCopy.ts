import { copyInto, eq, type Tensor, to, where } from "@lowrank/core";
import { widen } from "@lowrank/core/internal";

/** The name of the state tensor that holds the f32 copy of a half-precision parameter. */
export const master = "master";

/**
 * Returns true for a half-precision parameter (f16 or bf16). Its optimiser keeps an f32 copy, since rounding to half
 * precision would lose small steps.
 */
export function isHalf({ dtype }: Tensor): boolean {
  return dtype === "f16" || dtype === "bf16";
}

/**
 * Updates an f32 master copy before a step. If other code has changed an element of the parameter since the last step,
 * copies the new value of this element into `copy`.
 */
export function readParameter(copy: Tensor, param: Tensor): void {
  const [rounded, held] = [widen(to(copy, { dtype: param.dtype })), widen(param)];
  copyInto(copy, where(eq(rounded, held), copy, held));
}

/** Rounds the f32 values of `wide` to the dtype of `half`, and writes them into it. */
export function writeRounded(wide: Tensor, half: Tensor): void {
  copyInto(half, to(wide, { dtype: half.dtype }));
}
