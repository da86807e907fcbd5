import type { BlockFormat } from "../../backends/packedFormat.ts";
import { readF16 } from "../../layout/half.ts";
import { blockFormat, inverseOf } from "./blockFormat.ts";
import { fifthBit, putFiveBits } from "./fifthBits.ts";

const { fround } = Math;

/**
 * GGUF's q5_0: an f16 scale d, then the 5-bit codes q: first their fifth bits, then nibbles with the other four. The
 * value of a code is d (q - 16). The element of largest magnitude gets the code 0.
 */
export const q5_0: BlockFormat = blockFormat({
  dtype: "q5_0",
  block: { elements: 32, bytes: 22, halves: [0] },
  gguf: { type: 6, file: 8, output: "Q8_0" },
  integerBits: 5,
  pack: (values, from, blocks, at, scales) => {
    let largest = values[from];
    for (let i = from; i < from + 32; i++) if (Math.abs(values[i]) > Math.abs(largest)) largest = values[i];
    const d = fround(largest / -16);
    scales.write(d, at);
    const inverse = inverseOf(d);
    putFiveBits(blocks, at + 2, (i) => {
      return Math.min(31, Math.trunc(fround(fround(values[from + i] * inverse) + 16.5)));
    });
  },
  unpack: (blocks, at, out, to) => {
    const d = readF16(blocks, at);
    for (let i = 0; i < 16; i++) {
      const q = blocks[at + 6 + i];
      out[to + i] = d * (((q & 15) | fifthBit(blocks, at + 2, i)) - 16);
      out[to + 16 + i] = d * (((q >> 4) | fifthBit(blocks, at + 2, 16 + i)) - 16);
    }
  },
});
