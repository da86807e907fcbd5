import type { BlockFormat } from "../../backends/packedFormat.ts";
import { readF16 } from "../../layout/half.ts";
import { blockFormat, inverseOf } from "./blockFormat.ts";

const { fround } = Math;

/**
 * GGUF's q4_0: an f16 scale d, then 16 bytes with the 4-bit codes q. The low nibbles belong to elements 0 to 15, the
 * high nibbles to 16 to 31. The value of a code is d (q - 8), which is exact in f32. The element of largest magnitude
 * gets the code 0.
 */
export const q4_0: BlockFormat = blockFormat({
  dtype: "q4_0",
  block: { elements: 32, bytes: 18, halves: [0] },
  gguf: { type: 2, file: 2, output: "Q8_0" },
  integerBits: 4,
  pack: (values, from, blocks, at, scales) => {
    let largest = values[from];
    for (let i = from; i < from + 32; i++) {
      if (Math.abs(values[i]) > Math.abs(largest)) largest = values[i];
    }
    const d = fround(largest / -8);
    scales.write(d, at);
    const inverse = inverseOf(d);
    const code = (x: number) => Math.min(15, Math.trunc(fround(fround(x * inverse) + 8.5)));
    for (let i = 0; i < 16; i++) blocks[at + 2 + i] = code(values[from + i]) | (code(values[from + 16 + i]) << 4);
  },
  unpack: (blocks, at, out, to) => {
    const d = readF16(blocks, at);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 2 + i];
      out[to + i] = d * ((q & 15) - 8);
      out[to + 16 + i] = d * ((q >> 4) - 8);
    }
  },
});
