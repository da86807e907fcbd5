import { bytesPerElement, expectsUnpacked, isPacked, type PackedDType } from "../layout/dtype.ts";
import { sizeOf } from "../layout/shape.ts";
import type { TensorSpec } from "./backend.ts";
import type { PackedFormat } from "./packedFormat.ts";

const known = new Map<string, PackedFormat>();

/**
 * Registers a format for the code that handles its tensors. Functions that create packed tensors call it, so a web page
 * without packed weights does not bundle any format.
 */
export function registerPackedFormat(format: PackedFormat): void {
  known.set(format.dtype, format);
}

/**
 * Returns the format of a packed dtype. Throws if the format was not registered, that is, if no tensor of it was made.
 */
export function formatOf(dtype: PackedDType): PackedFormat {
  const format = known.get(dtype);
  if (!format) throw expectsUnpacked(dtype);
  return format;
}

/** Returns the number of bytes that the elements of a tensor occupy. */
export function byteLength(spec: TensorSpec): number {
  const { dtype, shape } = spec;
  return isPacked(dtype) ? formatOf(dtype).byteLength(spec) : sizeOf(shape) * bytesPerElement(dtype);
}
