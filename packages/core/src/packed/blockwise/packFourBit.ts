import { type Codebook, codeOf, type Packing } from "../../backends/packedFormat.ts";
import { encodeBlocks } from "./eightBit.ts";
import { nestedTable, partsOf } from "./fourBit.ts";
import { nestedBlockSize, writeHeader } from "./fourBitLayout.ts";

const { fround } = Math;
const tiny = fround(1e-38);

/**
 * Quantises `values` to nf4 or fp4 and writes the packed weight to `bytes`. If the scales are quantised too
 * (`packing.nested`), returns their mean, otherwise 0. As in bitsandbytes, values of an incomplete last block are
 * divided by the scale, and values of other blocks are multiplied by the scale's reciprocal.
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

/** Number of sums that are computed in parallel: four vectors of eight f32 values, as PyTorch uses on x64. */
const width = 32;
const lanes = 8;
const levels = 4;

/** Adds `source` to the first elements of `target`, in f32. */
function addTo(target: Float32Array, source: Float32Array): void {
  for (let i = 0; i < source.length; i++) target[i] += source[i];
}

/**
 * Returns the mean of fewer than 8 values, in PyTorch's order of additions. The first four values start four sums, and
 * the remaining values are added to the first sum. Then the four sums are added.
 */
function meanOfFew(x: Float32Array): number {
  const ordered = [x[0], ...x.subarray(4), ...x.subarray(1, 4)];
  return fround(ordered.reduce((sum, v) => fround(sum + v), 0) / x.length);
}

/**
 * Returns the mean of f32 values, bit-identical to PyTorch on one thread of an x64 CPU. It adds in the order of aten's
 * cascade_sum, in f32: each row of 32 values is added to 32 sums. After every 16 rows (more for long inputs), these
 * sums are added to 32 sums of the next level, and start again at 0.
 */
export function cascadeMean(x: Float32Array): number {
  if (x.length < lanes) return meanOfFew(x);
  const rows = Math.floor(x.length / width);
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(rows)) / levels));
  const acc = Array.from({ length: levels }, () => new Float32Array(width));
  const climb = (at: number): void => {
    for (let level = 1; level < levels; level++) {
      addTo(acc[level], acc[level - 1]);
      acc[level - 1].fill(0);
      if (at & (((1 << power) - 1) << (level * power))) return;
    }
  };
  for (let row = 0; row < rows; ) {
    addTo(acc[0], x.subarray(row * width, ++row * width));
    if (row % (1 << power) === 0) climb(row);
  }
  for (let level = 1; level < levels; level++) addTo(acc[0], acc[level]);
  const whole = x.length - (x.length % lanes);
  const sums = acc[0].subarray(0, lanes);
  for (let at = rows * width; at < whole; at += lanes) addTo(sums, x.subarray(at, at + lanes));
  for (let at = lanes; at < width; at += lanes) addTo(sums, acc[0].subarray(at, at + lanes));
  const rest = x.subarray(whole).reduce((sum, v) => fround(sum + v), 0);
  return fround(sums.reduce((sum, v) => fround(sum + v), rest) / x.length);
}
