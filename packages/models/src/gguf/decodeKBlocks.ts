import { halfAt } from "@lowrank/core";

// ggml's blocks of 256 elements, in groups that have 6-bit (or, in Q6_K, 8-bit) scales of their own below an f16. A
// group's scale and minimum are exact in f32, and so is scale times q but for Q6_K; the last operation rounds once.

/** The 6-bit scale (`part` 0) or minimum (`part` 4) of group 0..7, packed in the 12 bytes at `at`. */
function sixBits(blocks: Uint8Array, at: number, part: 0 | 4, group: number): number {
  const own = blocks[at + part + (group & 3)];
  if (group < 4) return own & 63;
  const shared = blocks[at + 8 + (group & 3)];
  return (part === 0 ? shared & 15 : shared >> 4) | ((own >> 2) & 48);
}

/** d s q - dmin m, q of 4 bits; 8 groups of 32 elements. */
export function q4K(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 144, to += 256) {
    const [d, dmin] = [halfAt(blocks, at), halfAt(blocks, at + 2)];
    for (let group = 0; group < 8; group++) {
      const scale = d * sixBits(blocks, at + 4, 0, group);
      const min = dmin * sixBits(blocks, at + 4, 4, group);
      // Two groups share 32 bytes: the low nibbles, then the high ones.
      const codes = at + 16 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) out[to + 32 * group + i] = scale * ((blocks[codes + i] >> shift) & 15) - min;
    }
  }
}

/** d s q - dmin m, q of 5 bits; 8 groups of 32 elements. */
export function q5K(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 176, to += 256) {
    const [d, dmin] = [halfAt(blocks, at), halfAt(blocks, at + 2)];
    for (let group = 0; group < 8; group++) {
      const scale = d * sixBits(blocks, at + 4, 0, group);
      const min = dmin * sixBits(blocks, at + 4, 4, group);
      const codes = at + 48 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) {
        // Bit `group` of byte i is the fifth bit of element i of that group.
        const fifth = ((blocks[at + 16 + i] >> group) & 1) << 4;
        out[to + 32 * group + i] = scale * (((blocks[codes + i] >> shift) & 15) | fifth) - min;
      }
    }
  }
}

/** d s (q - 32), q of 6 bits, s a signed byte; 16 groups of 16 elements. */
export function q6K(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < blocks.length; at += 210, to += 256) {
    const d = halfAt(blocks, at + 208);
    for (let i = 0; i < 256; i++) {
      // Each half of the block: 64 bytes of low nibbles, then high nibbles, and 32 bytes of four pairs of upper bits.
      const [half, j] = [i >> 7, i & 127];
      const low = (blocks[at + 64 * half + (j & 63)] >> (4 * (j >> 6))) & 15;
      const high = (blocks[at + 128 + 32 * half + (j & 31)] >> (2 * (j >> 5))) & 3;
      const scale = d * ((blocks[at + 192 + (i >> 4)] << 24) >> 24);
      out[to + i] = scale * ((low | (high << 4)) - 32);
    }
  }
}
