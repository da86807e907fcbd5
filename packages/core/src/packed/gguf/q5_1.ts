import type { BlockFormat } from "../../backends/packedFormat.ts";
import { readF16 } from "../../layout/half.ts";
import { blockFormat, inverseOf, rangeOf } from "./blockFormat.ts";
import { fifthBit, putFiveBits } from "./fifthBits.ts";

const { fround } = Math;

/**
 * GGUF's q5_1: an f16 scale d and an f16 minimum m, then the 5-bit codes q: first their fifth bits, then nibbles with
 * the other four. The value of a code is d q + m: the product is exact in f32, and the sum is rounded once.
 */
export const q5_1: BlockFormat = blockFormat({
  dtype: "q5_1",
  block: { elements: 32, bytes: 24, halves: [0, 2] },
  gguf: { type: 7, file: 9, output: "Q8_0" },
  integerBits: 5,
  pack: (values, from, blocks, at, scales) => {
    const [least, most] = rangeOf(values, from);
    const d = fround(fround(most - least) / 31);
    scales.write(d, at);
    scales.write(least, at + 2);
    const inverse = inverseOf(d);
    putFiveBits(blocks, at + 4, (i) => {
      const scaled = fround(fround(values[from + i] - least) * inverse);
      return Math.min(31, Math.trunc(fround(scaled + 0.5)));
    });
  },
  unpack: (blocks, at, out, to) => {
    const d = readF16(blocks, at);
    const m = readF16(blocks, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 8 + i];
      out[to + i] = d * ((q & 15) | fifthBit(blocks, at + 4, i)) + m;
      out[to + 16 + i] = d * ((q >> 4) | fifthBit(blocks, at + 4, 16 + i)) + m;
    }
  },
});
