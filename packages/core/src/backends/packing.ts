import { bytesPerElement, expectsUnpacked, isPacked, type PackedDType } from "../layout/dtype.ts";
import { sizeOf } from "../layout/shape.ts";
import type { TensorSpec } from "./backend.ts";
import type { PackedFormat } from "./packedFormat.ts";

const known = new Map<string, PackedFormat>();

/**
 * Makes a format known to those who meet its tensors. Whoever makes such tensors calls it, so that
 * a page without packed weights carries no format.
 */
export function registerPackedFormat(format: PackedFormat): void {
  known.set(format.dtype, format);
}

/** Returns the format of a packed tensor. Throws for a dtype of which no tensor was made. */
export function formatOf(dtype: PackedDType): PackedFormat {
  const format = known.get(dtype);
  if (!format) throw expectsUnpacked(dtype);
  return format;
}

/** Returns the bytes that the elements of a tensor occupy. */
export function byteLength(spec: TensorSpec): number {
  const { dtype, shape } = spec;
  return isPacked(dtype) ? formatOf(dtype).byteLength(spec) : sizeOf(shape) * bytesPerElement(dtype);
}
