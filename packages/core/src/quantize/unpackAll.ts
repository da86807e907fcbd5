import type { View } from "../backend.ts";
import { bf16ToF32, f16ToF32 } from "../half.ts";
import type { Packing } from "../packing.ts";
import { unpackFourBit } from "./fourBit.ts";
import { decodeQ4_1, decodeQ8_0 } from "./ggufBlocks.ts";

/** The elements of a weight, floating or packed, as f32: its own array where it is f32. */
export function unpackAll({ data, dtype, size, packing }: View): Float32Array {
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(size);
  if (data instanceof Uint16Array) (dtype === "bf16" ? bf16ToF32 : f16ToF32)(data, out);
  else if (dtype === "q4_1") decodeQ4_1(data as Uint8Array, out);
  else if (dtype === "q8_0") decodeQ8_0(data as Uint8Array, out);
  else unpackFourBit(data as Uint8Array, dtype as "nf4" | "fp4", packing as Packing, out);
  return out;
}
