import type { BlockFormat } from "../../backends/packedFormat.ts";
import { readF16 } from "../../layout/half.ts";
import { blockFormat } from "./blockFormat.ts";
import { nearestInt } from "./k/nearestInt.ts";
import { nothing, signedGroup, signedScale } from "./k/signedScale.ts";

const { abs, fround } = Math;
const groups = 16;
const codes = new Uint8Array(groups * signedGroup);

const codesOf = (group: number): Uint8Array => codes.subarray(group * signedGroup).subarray(0, signedGroup);
const signed = (byte: number): number => (byte << 24) >> 24;

/**
 * GGUF's q6_k: 16 groups of 16 elements. The value of a 6-bit code q is d s (q - 32), where s is the group's scale, a
 * signed byte, and d is an f16 at the end of the block. In each half of a block (128 elements), 64 bytes hold the lower
 * four bits of the codes: the low nibbles belong to elements 0 to 63 of the half, the high nibbles to elements 64 to
 * 127. From byte 128 on, 32 bytes per half hold the upper two bits, for four elements in each byte. d s is rounded to
 * f32, and then its product with q - 32.
 */
export const q6_k: BlockFormat = blockFormat({
  dtype: "q6_k",
  block: { elements: 256, bytes: 210, halves: [208] },
  gguf: { type: 14, file: 18, otherwise: "Q8_0" },
  integerBits: 6,
  pack: (values, from, blocks, at, scales) => {
    const group = (i: number) => values.subarray(from + i * signedGroup);
    const found = Array.from({ length: groups }, (_, i) => signedScale(group(i), codesOf(i), 32));
    const largest = found.reduce((most, scale) => (abs(scale) > abs(most) ? scale : most), 0);
    if (abs(largest) < nothing) return;
    const inverse = fround(-128 / largest);
    scales.write(fround(1 / inverse), at + 208);
    const d = readF16(blocks, at + 208);
    for (const [i, scale] of found.entries()) {
      const code = Math.min(127, nearestInt(fround(inverse * scale)));
      blocks[at + 192 + i] = code;
      const own = fround(d * signed(code));
      // If the scale is rounded to zero, the codes found with the unrounded scale stay.
      if (own === 0) continue;
      const [x, to] = [group(i), codesOf(i)];
      for (const j of to.keys()) to[j] = 32 + Math.max(-32, Math.min(31, nearestInt(fround(x[j] / own))));
    }
    for (let half = 0; half < 2; half++) {
      for (let i = 0; i < 64; i++) {
        const low = 128 * half + i;
        blocks[at + 64 * half + i] = (codes[low] & 15) | ((codes[low + 64] & 15) << 4);
      }
      for (let i = 0; i < 32; i++) {
        let upper = 0;
        for (let quarter = 0; quarter < 4; quarter++) {
          upper |= (codes[128 * half + 32 * quarter + i] >> 4) << (2 * quarter);
        }
        blocks[at + 128 + 32 * half + i] = upper;
      }
    }
  },
  unpack: (blocks, at, out, to) => {
    const d = readF16(blocks, at + 208);
    for (let i = 0; i < 256; i++) {
      const [half, j] = [i >> 7, i & 127];
      const low = (blocks[at + 64 * half + (j & 63)] >> ((j >> 6) << 2)) & 15;
      const high = (blocks[at + 128 + 32 * half + (j & 31)] >> (2 * (j >> 5))) & 3;
      const scale = fround(d * signed(blocks[at + 192 + (i >> 4)]));
      out[to + i] = scale * ((low | (high << 4)) - 32);
    }
  },
});
