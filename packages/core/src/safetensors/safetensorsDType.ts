import type { ElementDType } from "../layout/dtype.ts";

/** Number of bits of one element, for each dtype of the format. Writers store tensors in this order of dtypes. */
export const safetensorsBits = {
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
  F32: 32,
  U32: 32,
  I32: 32,
  BF16: 16,
  F16: 16,
  U16: 16,
  I16: 16,
  F8_E5M2FNUZ: 8,
  F8_E4M3FNUZ: 8,
  F8_E8M0: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  I8: 8,
  U8: 8,
  F6_E3M2: 6,
  F6_E2M3: 6,
  F4: 4,
  BOOL: 8,
} as const;

/** The name of a dtype in safetensors files. */
export type SafetensorsDType = keyof typeof safetensorsBits;

/** The safetensors name of each dtype that tensors here can have. */
export const safetensorsNames: Readonly<Record<ElementDType, SafetensorsDType>> = {
  f32: "F32",
  f16: "F16",
  bf16: "BF16",
  i32: "I32",
  u8: "U8",
  bool: "BOOL",
};

/** Returns the number of bytes of a tensor. NaN if that is not a whole number of bytes or not a safe integer. */
export function safetensorsByteLength(dtype: SafetensorsDType, shape: readonly number[]): number {
  const bytes = shape.reduce((size, n) => size * n, safetensorsBits[dtype]) / 8;
  return Number.isSafeInteger(bytes) ? bytes : Number.NaN;
}
