/** Dtypes whose elements are stored one by one. Ops compute in f32; f16 and bf16 are only for storage. */
export type ElementDType = "f32" | "f16" | "bf16" | "i32" | "u8" | "bool";

/** 4-bit dtypes of bitsandbytes for quantised weights. */
export type QuantType = "nf4" | "fp4";

/** GGUF's dtypes for quantised weights, which are stored in blocks of integer codes with scales. */
export type BlockDType = "q4_0" | "q4_1" | "q8_0" | "q5_0" | "q5_1" | "q4_k" | "q5_k" | "q6_k";

/** All dtypes for quantised weights. */
export type PackedDType = QuantType | BlockDType;

/** The data type of a tensor's elements. */
export type DType = ElementDType | PackedDType;

const quantTypes: readonly DType[] = ["nf4", "fp4"];

/**
 * All dtypes. Kernels identify a dtype by its index in this list, which `pnpm build:kernels` copies into their sources.
 */
export const dtypes: readonly DType[] = [
  ...(["f32", "f16", "bf16", "i32", "u8", "bool"] as const),
  ...quantTypes,
  ...(["q4_0", "q4_1", "q8_0", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"] as const),
];

/** The array type that holds a dtype's raw data: f16 and bf16 are 16-bit codes, packed weights are bytes. */
export type TypedArray = Float32Array | Uint16Array | Int32Array | Uint8Array;

/** The array type that `data` returns for a dtype: all float dtypes are converted to f32. */
export type DataOf<D extends DType> = D extends "f32" | "f16" | "bf16"
  ? Float32Array
  : D extends "i32"
    ? Int32Array
    : D extends "u8" | "bool"
      ? Uint8Array
      : never;

const elementBytes: Readonly<Record<ElementDType, number>> = { f32: 4, f16: 2, bf16: 2, i32: 4, u8: 1, bool: 1 };

/** Returns true for the dtypes of quantised weights. */
export function isPacked(dtype: DType): dtype is PackedDType {
  return !(dtype in elementBytes);
}

/** Returns true for the dtypes to which `quantizeAs` can quantise a tensor: nf4 and fp4. */
export function canQuantizeAs(dtype: DType): dtype is QuantType {
  return quantTypes.includes(dtype);
}

/** Returns true for weight dtypes with integer codes: the GGUF dtypes. */
export function hasIntegerCodes(dtype: DType): dtype is BlockDType {
  return isPacked(dtype) && !canQuantizeAs(dtype);
}

/** Returns the error to throw if a dtype is packed and the operation requires an unpacked one. */
export function expectsUnpacked(dtype: PackedDType): Error {
  return new Error(
    `${dtype} packs elements in blocks; make such a tensor with quantize4bit, or packedTensor from bytes`,
  );
}

/** Returns the bytes of one element. Throws for a packed dtype, whose elements share bytes. */
export function bytesPerElement(dtype: DType): number {
  if (isPacked(dtype)) throw expectsUnpacked(dtype);
  return elementBytes[dtype];
}

/** Returns a typed array over `length` elements (bytes, if the dtype is packed) of `buffer`, from `byteOffset` on. */
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

/** Returns true for dtypes that can have a gradient. */
export function isFloating(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f16" || dtype === "bf16";
}
