import type { BlockFormat } from "../../backends/packedFormat.ts";
import { readF16 } from "../../layout/half.ts";
import { blockFormat, inverseOf } from "./blockFormat.ts";

const { fround } = Math;

/**
 * GGUF's q8_0: an f16 scale d (the largest magnitude divided by 127), then 32 signed bytes q. The value of a code is d
 * q.
 */
export const q8_0: BlockFormat = blockFormat({
  dtype: "q8_0",
  block: { elements: 32, bytes: 34, halves: [0] },
  gguf: { type: 8, file: 7 },
  integerBits: 8,
  pack: (values, from, blocks, at, scales) => {
    let largest = 0;
    for (let i = from; i < from + 32; i++) largest = Math.max(largest, Math.abs(values[i]));
    const d = fround(largest / 127);
    scales.write(d, at);
    const inverse = inverseOf(d);
    for (let i = 0; i < 32; i++) {
      // Ties are rounded away from zero.
      const x = fround(values[from + i] * inverse);
      blocks[at + 2 + i] = x < 0 ? Math.ceil(x - 0.5) : Math.floor(x + 0.5);
    }
  },
  unpack: (blocks, at, out, to) => {
    const d = readF16(blocks, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * ((blocks[at + 2 + i] << 24) >> 24);
  },
});
