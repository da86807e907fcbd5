import type { View } from "../backend.ts";
import { isPacked } from "../dtype.ts";
import { bf16ToF32, f16ToF32 } from "../half.ts";
import { formatOf } from "../packing.ts";

/** Returns the elements of a weight, floating or packed, as f32: its own array where it is f32. */
export function unpackAll({ data, dtype, size, packing }: View): Float32Array {
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(size);
  if (isPacked(dtype)) formatOf(dtype).unpack(data as Uint8Array, out, packing);
  else (dtype === "bf16" ? bf16ToF32 : f16ToF32)(data as Uint16Array, out);
  return out;
}
