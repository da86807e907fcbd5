import type { BlockFormat } from "../../backends/packedFormat.ts";
import { readF16 } from "../../layout/half.ts";
import { blockFormat, inverseOf, rangeOf } from "./blockFormat.ts";

const { fround } = Math;

/**
 * GGUF's q4_1: an f16 scale d and an f16 minimum m, then 16 bytes with the 4-bit codes q. The low nibbles belong to
 * elements 0 to 15, the high nibbles to 16 to 31. The value of a code is d q + m: the product is exact in f32, and the
 * sum is rounded once.
 */
export const q4_1: BlockFormat = blockFormat({
  dtype: "q4_1",
  block: { elements: 32, bytes: 20, halves: [0, 2] },
  gguf: { type: 3, file: 3, output: "Q8_0" },
  integerBits: 4,
  pack: (values, from, blocks, at, scales) => {
    const [least, most] = rangeOf(values, from);
    const d = fround(fround(most - least) / 15);
    scales.write(d, at);
    scales.write(least, at + 2);
    const inverse = inverseOf(d);
    const code = (x: number) => {
      const scaled = fround(fround(x - least) * inverse);
      return Math.min(15, Math.trunc(fround(scaled + 0.5)));
    };
    for (let i = 0; i < 16; i++) blocks[at + 4 + i] = code(values[from + i]) | (code(values[from + 16 + i]) << 4);
  },
  unpack: (blocks, at, out, to) => {
    const d = readF16(blocks, at);
    const m = readF16(blocks, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 4 + i];
      out[to + i] = d * (q & 15) + m;
      out[to + 16 + i] = d * (q >> 4) + m;
    }
  },
});
