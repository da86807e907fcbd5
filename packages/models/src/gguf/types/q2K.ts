import { readF16 } from "@lowrank/core/internal";
import { type GgmlType, readOnlyType } from "./ggmlType.ts";

/**
 * Q2_K: element = d * s * q - dmin * m, with a 2-bit code q. A block has two f16 factors d and dmin, and 16 groups of
 * 16 elements. A group's scale s and minimum m are the two nibbles of one byte.
 */
export const q2K: GgmlType = readOnlyType({
  id: 10,
  name: "Q2_K",
  block: { elements: 256, bytes: 84 },
  unpack: (blocks, at, out, to) => {
    const [d, dmin] = [readF16(blocks, at + 80), readF16(blocks, at + 82)];
    for (let i = 0; i < 256; i++) {
      const parts = blocks[at + (i >> 4)];
      // Each half of the block has 32 bytes with four 2-bit codes each.
      const code = (blocks[at + 16 + 32 * (i >> 7) + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
      out[to + i] = d * (parts & 15) * code - dmin * (parts >> 4);
    }
  },
});
