import { halfAt } from "@lowrank/core";
import { type GgmlType, readOnlyType } from "../ggmlType.ts";
import { fifthBit } from "./fifthBit.ts";

/** Q5_1: d q + m, q of 5 bits; low nibbles are elements 0 to 15, high ones 16 to 31. */
export const q5_1: GgmlType = readOnlyType({
  id: 7,
  name: "Q5_1",
  block: { elements: 32, bytes: 24 },
  unpack: (blocks, at, out, to) => {
    const d = halfAt(blocks, at);
    const m = halfAt(blocks, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 8 + i];
      out[to + i] = d * ((q & 15) | fifthBit(blocks, at + 4, i)) + m;
      out[to + 16 + i] = d * ((q >> 4) | fifthBit(blocks, at + 4, 16 + i)) + m;
    }
  },
});
