import { type Codebook, codeOf } from "../../backends/codebook.ts";
import type { Packing } from "../../backends/packedFormat.ts";
import { cascadeMean } from "./cascadeMean.ts";
import { encodeBlocks } from "./eightBit.ts";
import { nestedTable, partsOf } from "./fourBit.ts";
import { nestedBlockSize, writeHeader } from "./fourBitLayout.ts";

const { fround } = Math;
const tiny = fround(1e-38);

/**
 * Quantises `values` to nf4 or fp4 and writes the packed weight to `bytes`. Returns the mean of the scales if they are
 * nested, otherwise 0. As in bitsandbytes, values of an incomplete last block are divided by the scale, values of other
 * blocks are multiplied by its reciprocal.
 */
export function packFourBit(codebook: Codebook, values: Float32Array, packing: Packing, bytes: Uint8Array): number {
  const { blockSize, nested } = packing;
  const { codes, absmax, nestedAbsmax } = partsOf(bytes, values.length, packing);
  const scales = nested ? new Float32Array(absmax.length) : (absmax as Float32Array);
  codes.fill(0);
  for (let block = 0; block < scales.length; block++) {
    const from = block * blockSize;
    const part = values.subarray(from, from + blockSize);
    const most = part.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    const whole = part.length === blockSize;
    const divisor = Math.max(most, tiny);
    const inverse = fround(1 / divisor);
    scales[block] = whole ? most : divisor;
    for (const [i, x] of part.entries()) {
      const at = from + i;
      codes[at >> 1] |= codeOf(codebook, fround(whole ? x * inverse : x / divisor)) << (at & 1 ? 0 : 4);
    }
  }
  if (values.length % 2 === 1) codes[codes.length - 1] |= codeOf(codebook, 0);
  const offset = nested ? cascadeMean(scales) : 0;
  if (nested) {
    const centred = scales.map((x) => x - offset);
    encodeBlocks(centred, nestedTable, nestedBlockSize, absmax, nestedAbsmax);
  }
  writeHeader(bytes, values.length, packing, offset);
  return offset;
}
