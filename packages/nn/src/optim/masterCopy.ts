import { copyInto, eq, type Tensor, to, where } from "@lowrank/core";
import { widen } from "@lowrank/core/internal";

/** The name of the state tensor that holds the f32 copy of a half-precision parameter. */
export const master = "master";

/** True for a half-precision parameter (f16 or bf16), in which small steps would be lost to rounding. */
export function isHalf({ dtype }: Tensor): boolean {
  return dtype === "f16" || dtype === "bf16";
}

/** Updates a master copy: if other code has changed elements of the parameter, their values replace the copy's. */
export function readParameter(copy: Tensor, param: Tensor): void {
  const [rounded, held] = [widen(to(copy, { dtype: param.dtype })), widen(param)];
  copyInto(copy, where(eq(rounded, held), copy, held));
}

/** Writes f32 values, rounded, into a half-precision tensor. */
export function writeRounded(wide: Tensor, half: Tensor): void {
  copyInto(half, to(wide, { dtype: half.dtype }));
}
