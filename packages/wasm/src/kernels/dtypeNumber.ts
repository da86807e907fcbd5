import { type DType, dtypes, formatOf, isPacked, type TensorSpec } from "@lowrank/core/backend";

/** Returns the number by which the WebAssembly kernels identify a dtype: its index in core's list `dtypes`. */
export function dtypeNumber({ dtype }: TensorSpec): number {
  return dtypes.indexOf(dtype);
}

/** Returns the number of bits per element if a weight dtype stores integer codes, otherwise 0. */
export function codeBits(dtype: DType): number {
  return (isPacked(dtype) && formatOf(dtype).integerBits) || 0;
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** Returns the 32-bit pattern of an f32 or i32 value, for kernels that copy elements without computing. */
export function bitsOf(value: number, dtype: DType): number {
  if (dtype === "i32") return value;
  float[0] = value;
  return bits[0];
}
