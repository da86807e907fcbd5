import { readF16 } from "@lowrank/core/internal";
import { type GgmlType, readOnlyType } from "./ggmlType.ts";

/**
 * Returns a group's 6-bit scale minus 32. The block's 16 scales are stored in 12 bytes from offset `at`: the low 4 bits
 * of each in the first 8 bytes, the high 2 bits in the last 4 bytes.
 */
function scaleOf(blocks: Uint8Array, at: number, group: number): number {
  const low = (blocks[at + (group & 7)] >> ((group >> 3) << 2)) & 15;
  const high = (blocks[at + 8 + (group & 3)] >> (2 * (group >> 2))) & 3;
  return (low | (high << 4)) - 32;
}

/**
 * Q3_K: element = d * (s - 32) * (q - 4), with a 3-bit code q. A block has an f16 factor d, and a 6-bit scale s for
 * each of its 16 groups of 16 elements. The highest bit of element i's code is bit floor(i / 32) of byte i % 32 of the
 * block.
 */
export const q3K: GgmlType = readOnlyType({
  id: 11,
  name: "Q3_K",
  block: { elements: 256, bytes: 110 },
  unpack: (blocks, at, out, to) => {
    const d = readF16(blocks, at + 108);
    for (let i = 0; i < 256; i++) {
      const low = (blocks[at + 32 + 32 * (i >> 7) + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
      const third = (blocks[at + (i & 31)] >> (i >> 5)) & 1;
      out[to + i] = d * scaleOf(blocks, at + 96, i >> 4) * ((low | (third << 2)) - 4);
    }
  },
});
