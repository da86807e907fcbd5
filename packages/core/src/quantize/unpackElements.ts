import type { View } from "../backend.ts";
import { isPacked } from "../dtype.ts";
import { bf16ToF32, f16ToF32 } from "../half.ts";
import { ggufBlocks, isGgufDType, type Packing } from "../packing.ts";
import { unpackFourBit } from "./fourBit.ts";
import { decodeBlock } from "./ggufBlocks.ts";

/** Writes the elements of a weight, floating or packed, from element `start` on to `out`, as many as it holds, as f32. */
export function unpackElements(weight: View, start: number, out: Float32Array): void {
  const { data, dtype, size, packing } = weight;
  if (!isPacked(dtype)) {
    const part = data.subarray(start, start + out.length);
    if (part instanceof Uint16Array) (dtype === "bf16" ? bf16ToF32 : f16ToF32)(part, out);
    else out.set(part);
  } else if (isGgufDType(dtype)) {
    unpackBlocks(data as Uint8Array, dtype, start, out);
  } else {
    unpackFourBit(data as Uint8Array, size, dtype, packing as Packing, start, out);
  }
}

function unpackBlocks(bytes: Uint8Array, dtype: keyof typeof ggufBlocks, start: number, out: Float32Array): void {
  const { elements, bytes: blockBytes } = ggufBlocks[dtype];
  const block = new Float32Array(elements);
  for (let i = 0; i < out.length; ) {
    const within = (start + i) % elements;
    decodeBlock[dtype](bytes, ((start + i - within) / elements) * blockBytes, block);
    const part = block.subarray(within, within + out.length - i);
    out.set(part, i);
    i += part.length;
  }
}

/** The weight's elements as f32: its own array where it is f32. */
export function unpackAll(weight: View): Float32Array {
  if (weight.data instanceof Float32Array) return weight.data;
  const out = new Float32Array(weight.size);
  unpackElements(weight, 0, out);
  return out;
}
