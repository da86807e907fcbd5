import type { TensorSpec } from "./backend.ts";
import { bytesPerElement, type DType, dtypes, isPacked } from "./dtype.ts";
import { packedFormats } from "./packed/index.ts";
import { sizeOf } from "./shape.ts";

/**
 * Returns the bytes that the elements of a tensor occupy. Throws for nf4 and fp4 without a packing.
 */
export function byteLength(spec: TensorSpec): number {
  const { dtype, shape } = spec;
  return isPacked(dtype) ? packedFormats[dtype].byteLength(spec) : sizeOf(shape) * bytesPerElement(dtype);
}

/** Throws unless dtype, packing and shape of a packed tensor belong together. */
export function checkPacked(what: string, spec: TensorSpec): void {
  const { dtype } = spec;
  if (!isPacked(dtype)) {
    throw new Error(`${what}: ${dtype} is no packed dtype; use ${dtypes.filter(isPacked).join(", ")}`);
  }
  packedFormats[dtype].check(what, spec);
}

/** Throws unless the header in the bytes of a packed tensor agrees with its spec. */
export function checkPackedBytes(what: string, bytes: Uint8Array, spec: TensorSpec): void {
  if (isPacked(spec.dtype)) packedFormats[spec.dtype].checkBytes?.(what, bytes, spec);
}

/** True for dtypes of weights whose codes are integers, which `linearInt8` multiplies. */
export function hasIntegerCodes(dtype: DType): boolean {
  return isPacked(dtype) && packedFormats[dtype].integerBits !== undefined;
}
