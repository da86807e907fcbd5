import { bytesPerElement, expectsUnpacked, isPacked, type PackedDType } from "../layout/dtype.ts";
import { bf16ToF32, f16ToF32 } from "../layout/half.ts";
import { sizeOf } from "../layout/shape.ts";
import type { TensorSpec, View } from "./backend.ts";
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

/**
 * Returns all elements of a float or packed weight as f32. If the weight is f32, this is its own array and not a copy.
 */
export function unpackAll({ data, dtype, size, packing }: View): Float32Array {
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(size);
  if (isPacked(dtype)) formatOf(dtype).unpack(data as Uint8Array, out, packing);
  else (dtype === "bf16" ? bf16ToF32 : f16ToF32)(data as Uint16Array, out);
  return out;
}
