import { halfAt } from "@lowrank/core";
import { type GgmlType, readOnlyType } from "../ggmlType.ts";
import { sixBits } from "./sixBits.ts";

/** Q5_K: d s q - dmin m, q of 5 bits; 8 groups of 32 elements. */
export const q5K: GgmlType = readOnlyType({
  id: 13,
  name: "Q5_K",
  block: { elements: 256, bytes: 176 },
  unpack: (blocks, at, out, to) => {
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
  },
});
