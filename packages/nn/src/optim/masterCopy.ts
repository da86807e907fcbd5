import { copyInto, eq, type Tensor, to, where, widen } from "@lowrank/core";

/** The name of the state tensor that keeps a parameter of half precision in f32. */
export const master = "master";

/** True for a parameter of half precision, in which small steps would vanish by rounding. */
export function isHalf({ dtype }: Tensor): boolean {
  return dtype === "f16" || dtype === "bf16";
}

/** Brings a master copy up to date: where others wrote into the parameter, its numbers count. */
export function readParameter(copy: Tensor, param: Tensor): void {
  const [rounded, held] = [widen(to(copy, { dtype: param.dtype })), widen(param)];
  copyInto(copy, where(eq(rounded, held), copy, held));
}

/** Writes f32 numbers over a tensor of half precision, rounded. */
export function writeRounded(wide: Tensor, half: Tensor): void {
  copyInto(half, to(wide, { dtype: half.dtype }));
}
