import type { BlockFormat } from "../../backends/packedFormat.ts";
import { blockFormat } from "./blockFormat.ts";
import { groupAt, packGroups } from "./k/groups.ts";

/**
 * GGUF's q5_k: 8 groups of 32 elements (see k/groups.ts), with 5-bit codes. Bit g of byte 16 + i is the fifth bit of
 * element i of group g. From byte 48 on, the other four bits are stored as in q4_k.
 */
export const q5_k: BlockFormat = blockFormat({
  dtype: "q5_k",
  block: { elements: 256, bytes: 176, halves: [0, 2] },
  gguf: { type: 13, file: 16, output: "Q6_K", otherwise: "Q5_1" },
  integerBits: 5,
  pack: (values, from, blocks, at, scales) => {
    const codes = packGroups(values, from, blocks, at, scales, { most: 31, start: -0.5, steps: 15 });
    for (let i = 0; i < 32; i++) {
      let fifth = 0;
      for (let group = 0; group < 8; group++) fifth |= (codes[32 * group + i] >> 4) << group;
      blocks[at + 16 + i] = fifth;
    }
    for (let i = 0; i < 128; i++) {
      const low = 64 * (i >> 5) + (i & 31);
      blocks[at + 48 + i] = (codes[low] & 15) | ((codes[low + 32] & 15) << 4);
    }
  },
  unpack: (blocks, at, out, to) => {
    for (let group = 0; group < 8; group++) {
      const { scale, minimum } = groupAt(blocks, at, group);
      const codes = at + 48 + 32 * (group >> 1);
      const shift = (group & 1) << 2;
      for (let i = 0; i < 32; i++) {
        const fifth = ((blocks[at + 16 + i] >> group) & 1) << 4;
        out[to + 32 * group + i] = scale * (((blocks[codes + i] >> shift) & 15) | fifth) - minimum;
      }
    }
  },
});
