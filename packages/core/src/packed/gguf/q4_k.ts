import type { BlockFormat } from "../../backends/packedFormat.ts";
import { blockFormat } from "./blockFormat.ts";
import { groupAt, packGroups } from "./k/groups.ts";

/**
 * GGUF's q4_k: 8 groups of 32 elements (see k/groups.ts), with 4-bit codes from byte 16 on. Each 32 bytes hold two
 * groups: the first in the low nibbles, the second in the high nibbles.
 */
export const q4_k: BlockFormat = blockFormat({
  dtype: "q4_k",
  block: { elements: 256, bytes: 144, halves: [0, 2] },
  gguf: { type: 12, file: 14, output: "Q6_K", otherwise: "Q5_0" },
  integerBits: 4,
  pack: (values, from, blocks, at, scales) => {
    const codes = packGroups(values, from, blocks, at, scales, { most: 15, start: -1, steps: 20 });
    for (let i = 0; i < 128; i++) {
      const low = 64 * (i >> 5) + (i & 31);
      blocks[at + 16 + i] = codes[low] | (codes[low + 32] << 4);
    }
  },
  unpack: (blocks, at, out, to) => {
    for (let group = 0; group < 8; group++) {
      const { scale, minimum } = groupAt(blocks, at, group);
      const codes = at + 16 + 32 * (group >> 1);
      const shift = (group & 1) << 2;
      for (let i = 0; i < 32; i++) out[to + 32 * group + i] = scale * ((blocks[codes + i] >> shift) & 15) - minimum;
    }
  },
});
