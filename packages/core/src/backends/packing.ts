import { bytesPerElement, expectsUnpacked, isPacked, type PackedDType } from "../layout/dtype.ts";
import { sizeOf } from "../layout/shape.ts";
import type { TensorSpec } from "./backend.ts";
import type { PackedFormat } from "./packedFormat.ts";

const known = new Map<string, PackedFormat>();

/**
 * Registers a packed format, so that tensors of its dtype can be handled. Functions that create packed tensors call
 * this; a web page without packed weights therefore bundles no format.
 */
export function registerPackedFormat(format: PackedFormat): void {
  known.set(format.dtype, format);
}

/**
 * Returns the format of a packed dtype. Throws if it is not registered, which means that no tensor of this dtype was
 * created.
 */
export function formatOf(dtype: PackedDType): PackedFormat {
  const format = known.get(dtype);
  if (!format) throw expectsUnpacked(dtype);
  return format;
}

/** Returns the number of bytes that a tensor's elements take. */
export function byteLength(spec: TensorSpec): number {
  const { dtype, shape } = spec;
  return isPacked(dtype) ? formatOf(dtype).byteLength(spec) : sizeOf(shape) * bytesPerElement(dtype);
}
