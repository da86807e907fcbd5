/** Element types of a tensor. Arithmetic is f32; f16 and bf16 are storage formats. */
export type DType = "f32" | "f16" | "bf16" | "i32" | "u8" | "bool";

/** The raw array of a dtype: f16 and bf16 appear as their 16-bit codes. */
export type TypedArray = Float32Array | Uint16Array | Int32Array | Uint8Array;

/** Bytes one element of each dtype occupies. */
export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f16: 2, bf16: 2, i32: 4, u8: 1, bool: 1 };

/** A typed view of `length` elements of `buffer` from `byteOffset` on. */
export function viewAs(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer, byteOffset, length);
    case "f16":
    case "bf16":
      return new Uint16Array(buffer, byteOffset, length);
    case "i32":
      return new Int32Array(buffer, byteOffset, length);
    default:
      return new Uint8Array(buffer, byteOffset, length);
  }
}

/** True for the dtypes that can carry a gradient. */
export function isFloating(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f16" || dtype === "bf16";
}
