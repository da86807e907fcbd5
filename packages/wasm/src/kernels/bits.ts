import type { DType } from "@lowrank/core/backend";

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** Returns the 32-bit pattern of an f32 or i32 value, for kernels that copy elements without computing. */
export function bitsOf(value: number, dtype: DType): number {
  if (dtype === "i32") return value;
  float[0] = value;
  return bits[0];
}
