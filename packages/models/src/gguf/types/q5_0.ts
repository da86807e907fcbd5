import { halfAt } from "@lowrank/core";
import { type GgmlType, readOnlyType } from "../ggmlType.ts";
import { fifthBit } from "./fifthBit.ts";

/** Q5_0: d (q - 16), q of 5 bits; low nibbles are elements 0 to 15, high ones 16 to 31. */
export const q5_0: GgmlType = readOnlyType({
  id: 6,
  name: "Q5_0",
  block: { elements: 32, bytes: 22 },
  unpack: (blocks, at, out, to) => {
    const d = halfAt(blocks, at);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 6 + i];
      out[to + i] = d * (((q & 15) | fifthBit(blocks, at + 2, i)) - 16);
      out[to + 16 + i] = d * (((q >> 4) | fifthBit(blocks, at + 2, 16 + i)) - 16);
    }
  },
});
