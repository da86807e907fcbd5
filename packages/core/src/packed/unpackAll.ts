import type { View } from "../backends/backend.ts";
import { formatOf } from "../backends/packing.ts";
import { isPacked } from "../layout/dtype.ts";
import { bf16ToF32, f16ToF32 } from "../layout/half.ts";

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
