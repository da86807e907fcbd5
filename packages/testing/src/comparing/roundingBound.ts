import { abs, add, type DType, isPacked, matmul, max, noGrad, scope, Tensor, to } from "@lowrank/core";
import type { Linear, Module } from "@lowrank/nn";
import { unwrapped } from "./layerCalls.ts";

/** Relative rounding errors of one value: half of the distance from 1 to the next value. */
const unitRoundoff: Readonly<Record<"f32" | "f16" | "bf16", number>> = {
  f32: 2 ** -24,
  f16: 2 ** -11,
  bf16: 2 ** -8,
};

/** f16 stores values near zero as multiples of 2^-24. Its smallest rounding error is half of that. */
const smallestOfF16 = 2 ** -25;

/**
 * Returns the largest change of a layer's output that rounding explains:
 *
 *     bound = 16 (√n + 8) 2^-24 S + u S + 2^-25 X    for linear layers
 *
 * - n is the number of products summed for one output, and 2^-24 is the unit roundoff u of f32. Errors of n additions
 *   have random signs, so their sum is about √n u (Higham and Mary 2019). The 8 stands for the other operations of a
 *   method. 16 standard deviations are allowed.
 * - S is the largest sum of |w| |x| over the inputs of an output: what all products would add up to without
 *   cancellation. For layers that are not linear, it is the largest absolute output.
 * - u is the unit roundoff of the dtype in which weight or bias are stored, the larger one: 0 for f32, 2^-11 for f16,
 *   2^-8 for bf16. The term 2^-25 X is for f16 weights only. X is the largest sum of |x|.
 */
export async function roundingBound(module: Module, inputs: readonly unknown[], output: Tensor): Promise<number> {
  const layer = unwrapped(module) as Partial<Linear> & Module;
  const [x] = inputs;
  const dtype = layer.weight?.dtype ?? "f32";
  const isLinear = layer.layerKind === "linear" || layer.layerKind === "conv1d";
  const terms = isLinear ? (layer.inFeatures as number) : 1;
  const ofF32 = 16 * (Math.sqrt(terms) + 8) * unitRoundoff.f32;
  const own = Math.max(storageRoundoff(dtype), storageRoundoff(layer.bias?.dtype ?? "f32"));
  const size = await scalarOf(() => max(abs(output)));
  if (!isLinear || !(x instanceof Tensor)) return (ofF32 + own) * size;
  const weight = layer.weight as Tensor;
  const products = await scalarOf(() => {
    const magnitudes = abs(isPacked(weight.dtype) || weight.dtype !== "f32" ? to(weight, { dtype: "f32" }) : weight);
    const sums = matmul(abs(x), magnitudes, { transposeB: layer.layerKind === "linear" });
    return max(layer.bias ? add(sums, abs(to(layer.bias, { dtype: "f32" }))) : sums);
  });
  const inputSum = dtype === "f16" ? await scalarOf(() => max(abs(x).sum({ dim: -1 }))) : 0;
  return (ofF32 + own) * Math.max(products, size) + smallestOfF16 * inputSum;
}

/** Returns the unit roundoff of half precision; 0 for f32 and for quantised dtypes, which are merged into f32. */
function storageRoundoff(dtype: DType): number {
  return dtype === "f16" || dtype === "bf16" ? unitRoundoff[dtype] : 0;
}

async function scalarOf(fn: () => Tensor): Promise<number> {
  using value = noGrad(() => scope(fn));
  return value.item();
}
