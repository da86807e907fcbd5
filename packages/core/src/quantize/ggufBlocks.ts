import { halfAt } from "../halfAt.ts";

// The blocks of GGUF files that tensors hold as they are: 32 elements each, an f16 scale d first, and in q4_1 a minimum m
// after it. A product of an f16 and such a small integer is exact in f32; the sum rounds once.

/** Whole q4_1 blocks as f32: d q + m, low nibbles elements 0 to 15 of a block and high ones 16 to 31. */
export function decodeQ4_1(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 20, to += 32) {
    const d = halfAt(blocks, at);
    const m = halfAt(blocks, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 4 + i];
      out[to + i] = d * (q & 15) + m;
      out[to + 16 + i] = d * (q >> 4) + m;
    }
  }
}

/** Whole q8_0 blocks as f32: d q, q a signed byte. */
export function decodeQ8_0(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 34, to += 32) {
    const d = halfAt(blocks, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * ((blocks[at + 2 + i] << 24) >> 24);
  }
}
