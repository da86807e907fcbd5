import type { TensorSpec } from "../backend.ts";
import type { DType } from "../dtype.ts";
import { expectDType } from "../op.ts";

/** Storage formats of a weight in the order in which the kernels number them. */
const weightFormats: readonly DType[] = ["f32", "f16", "bf16", "nf4", "fp4", "q4_1", "q8_0"];

/** The number by which the kernels know how a weight is stored. */
export function weightFormat({ dtype }: TensorSpec): number {
  return weightFormats.indexOf(dtype);
}

/** Throws unless input `i` of `op` is a weight: floating, or packed. */
export function expectWeight(op: string, inputs: readonly TensorSpec[], i: number): void {
  expectDType(op, inputs, i, ...weightFormats);
}
