import { f16ToF32 } from "../half.ts";
import type { ggufBlocks } from "../packing.ts";

/** Widens a block of GGUF, which begins at byte `at`, to 32 numbers. Scales are f16 and lie first. */
export type DecodeBlock = (bytes: Uint8Array, at: number, out: Float32Array) => void;

function halfAt(bytes: Uint8Array, at: number): number {
  const wide = new Float32Array(1);
  f16ToF32(Uint16Array.of(bytes[at] | (bytes[at + 1] << 8)), wide);
  return wide[0];
}

export const decodeBlock: Readonly<Record<keyof typeof ggufBlocks, DecodeBlock>> = {
  // d q + m: low nibbles are elements 0 to 15, high ones 16 to 31. The product is exact in f32, and the sum rounds once.
  q4_1: (bytes, at, out) => {
    const [d, m] = [halfAt(bytes, at), halfAt(bytes, at + 2)];
    for (let i = 0; i < 16; i++) {
      out[i] = d * (bytes[at + 4 + i] & 15) + m;
      out[i + 16] = d * (bytes[at + 4 + i] >> 4) + m;
    }
  },
  // d q, q a signed byte.
  q8_0: (bytes, at, out) => {
    const d = halfAt(bytes, at);
    for (let i = 0; i < 32; i++) out[i] = d * ((bytes[at + 2 + i] << 24) >> 24);
  },
};
