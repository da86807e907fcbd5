import { halfAt } from "@lowrank/core";
import { type GgmlType, readOnlyType } from "../ggmlType.ts";

/** Q4_0: d (q - 8), q of 4 bits; low nibbles are elements 0 to 15, high ones 16 to 31. */
export const q4_0: GgmlType = readOnlyType({
  id: 2,
  name: "Q4_0",
  block: { elements: 32, bytes: 18 },
  unpack: (blocks, at, out, to) => {
    const d = halfAt(blocks, at);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 2 + i];
      out[to + i] = d * ((q & 15) - 8);
      out[to + 16 + i] = d * ((q >> 4) - 8);
    }
  },
});
