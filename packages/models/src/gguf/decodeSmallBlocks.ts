import { halfAt } from "@lowrank/core";

// ggml's blocks of 32 elements. Low nibbles are elements 0..15 and high ones 16..31; a scale d, and in the _1 types a
// minimum m, come first as f16. A product of an f16 and such a small integer is exact in f32; the sum rounds once.

/** d (q - 8), q of 4 bits. */
export function q4_0(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 18, to += 32) {
    const d = halfAt(blocks, at);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 2 + i];
      out[to + i] = d * ((q & 15) - 8);
      out[to + 16 + i] = d * ((q >> 4) - 8);
    }
  }
}

/** Bit `i` of the 32 that begin at `at`, as bit 4 of a number. */
function fifthBit(blocks: Uint8Array, at: number, i: number): number {
  return ((blocks[at + (i >> 3)] >> (i & 7)) & 1) << 4;
}

/** d (q - 16), q of 5 bits. */
export function q5_0(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 22, to += 32) {
    const d = halfAt(blocks, at);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 6 + i];
      out[to + i] = d * (((q & 15) | fifthBit(blocks, at + 2, i)) - 16);
      out[to + 16 + i] = d * (((q >> 4) | fifthBit(blocks, at + 2, 16 + i)) - 16);
    }
  }
}

/** d q + m, q of 5 bits. */
export function q5_1(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 24, to += 32) {
    const d = halfAt(blocks, at);
    const m = halfAt(blocks, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 8 + i];
      out[to + i] = d * ((q & 15) | fifthBit(blocks, at + 4, i)) + m;
      out[to + 16 + i] = d * ((q >> 4) | fifthBit(blocks, at + 4, 16 + i)) + m;
    }
  }
}
