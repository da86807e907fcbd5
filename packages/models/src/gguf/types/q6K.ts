import { halfAt } from "@lowrank/core";
import { type GgmlType, readOnlyType } from "../ggmlType.ts";

/**
 * Q6_K: d s (q - 32), q of 6 bits, s a signed byte; 16 groups of 16 elements.
 * Scale times q rounds in f32.
 */
export const q6K: GgmlType = readOnlyType({
  id: 14,
  name: "Q6_K",
  block: { elements: 256, bytes: 210 },
  unpack: (blocks, at, out, to) => {
    const d = halfAt(blocks, at + 208);
    for (let i = 0; i < 256; i++) {
      // Each half of the block: 64 bytes of low nibbles, then high nibbles, and 32 bytes of
      // four pairs of upper bits.
      const [half, j] = [i >> 7, i & 127];
      const low = (blocks[at + 64 * half + (j & 63)] >> (4 * (j >> 6))) & 15;
      const high = (blocks[at + 128 + 32 * half + (j & 31)] >> (2 * (j >> 5))) & 3;
      const scale = d * ((blocks[at + 192 + (i >> 4)] << 24) >> 24);
      out[to + i] = scale * ((low | (high << 4)) - 32);
    }
  },
});
