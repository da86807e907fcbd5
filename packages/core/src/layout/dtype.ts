/** dtypes whose elements lie one by one. Arithmetic is f32; f16 and bf16 are storage formats. */
export type ElementDType = "f32" | "f16" | "bf16" | "i32" | "u8" | "bool";

/** bitsandbytes' formats of quantised weights, of 4 bits. */
export type QuantType = "nf4" | "fp4";

/** GGUF's formats of quantised weights, in blocks of integer codes. */
export type BlockDType = "q4_0" | "q4_1" | "q8_0" | "q5_0" | "q5_1" | "q4_k" | "q5_k" | "q6_k";

/** Formats of quantised weights; `packed/` describes them. */
export type PackedDType = QuantType | BlockDType;

/** The kind of numbers that a tensor holds. */
export type DType = ElementDType | PackedDType;

const quantTypes: readonly DType[] = ["nf4", "fp4"];

/**
 * All dtypes in the order by which kernels number them; `pnpm build:kernels`
 * writes it into their sources.
 */
export const dtypes: readonly DType[] = [
  ...(["f32", "f16", "bf16", "i32", "u8", "bool"] as const),
  ...quantTypes,
  ...(["q4_0", "q4_1", "q8_0", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"] as const),
];

/** The raw array of a dtype: f16 and bf16 appear as their 16-bit codes, packed weights as bytes. */
export type TypedArray = Float32Array | Uint16Array | Int32Array | Uint8Array;

/** The array that `data` gives of a dtype: floats are widened to f32. */
export type DataOf<D extends DType> = D extends "f32" | "f16" | "bf16"
  ? Float32Array
  : D extends "i32"
    ? Int32Array
    : D extends "u8" | "bool"
      ? Uint8Array
      : never;

const elementBytes: Readonly<Record<ElementDType, number>> = { f32: 4, f16: 2, bf16: 2, i32: 4, u8: 1, bool: 1 };

/** True for the formats of quantised weights. */
export function isPacked(dtype: DType): dtype is PackedDType {
  return !(dtype in elementBytes);
}

/** True for packed dtypes that `quantizeAs` packs tensors in. */
export function canQuantizeAs(dtype: DType): dtype is QuantType {
  return quantTypes.includes(dtype);
}

/** True for dtypes of weights whose codes are integers, which `linearInt8` multiplies. */
export function hasIntegerCodes(dtype: DType): dtype is BlockDType {
  return isPacked(dtype) && !canQuantizeAs(dtype);
}

/** Returns the error for a packed dtype in the place of one whose elements lie one by one. */
export function expectsUnpacked(dtype: PackedDType): Error {
  return new Error(
    `${dtype} packs elements in blocks; make such a tensor with quantize4bit, or packedTensor from bytes`,
  );
}

/** Bytes of one element. Throws for a packed dtype, whose elements have none of their own. */
export function bytesPerElement(dtype: DType): number {
  if (isPacked(dtype)) throw expectsUnpacked(dtype);
  return elementBytes[dtype];
}

/** A typed view of `length` elements (bytes, where packed) of `buffer` from `byteOffset` on. */
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
