import { halfAt } from "@lowrank/core";
import { type GgmlType, readOnlyType } from "../ggmlType.ts";
import { sixBits } from "./sixBits.ts";

/** Q4_K: d s q - dmin m, q of 4 bits; 8 groups of 32 elements. */
export const q4K: GgmlType = readOnlyType({
  id: 12,
  name: "Q4_K",
  block: { elements: 256, bytes: 144 },
  unpack: (blocks, at, out, to) => {
    const [d, dmin] = [halfAt(blocks, at), halfAt(blocks, at + 2)];
    for (let group = 0; group < 8; group++) {
      const scale = d * sixBits(blocks, at + 4, 0, group);
      const min = dmin * sixBits(blocks, at + 4, 4, group);
      // Two groups share 32 bytes: the low nibbles, then the high ones.
      const codes = at + 16 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) out[to + 32 * group + i] = scale * ((blocks[codes + i] >> shift) & 15) - min;
    }
  },
});
