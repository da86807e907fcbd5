import type { TensorSpec } from "../backend.ts";
import type { DType } from "../dtype.ts";
import { expectDType } from "../op.ts";

/** The dtypes in which a weight may be stored; backends may number the formats by this order. */
export const weightDTypes: readonly DType[] = ["f32", "f16", "bf16", "nf4", "fp4", "q4_1", "q8_0"];

/** Throws unless input `i` of `op` is a weight: floating, or packed. */
export function expectWeight(op: string, inputs: readonly TensorSpec[], i: number): void {
  expectDType(op, inputs, i, ...weightDTypes);
}
