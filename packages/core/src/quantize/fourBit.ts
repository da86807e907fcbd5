import { fourBitLayout, nestedBlockSize, type Packing, readOffset, writeHeader } from "../packing.ts";
import { cascadeMean } from "./cascadeMean.ts";
import { type Codebook, codebooks, type QuantType } from "./codebooks.ts";
import { dynamicMap } from "./dynamicMap.ts";
import { encodeBlocks } from "./eightBit.ts";

const { fround } = Math;
const nestedTable = dynamicMap();
const tiny = fround(1e-38);

/** The parts of a packed nf4 or fp4 weight, over its bytes. */
export interface FourBitParts {
  /** Two codes a byte, the even element's in the high nibble. */
  readonly codes: Uint8Array;
  /** One scale for each block: f32, or 8-bit codes where nested. */
  readonly absmax: Float32Array | Uint8Array;
  /** Second-level scales, f32; empty where not nested. */
  readonly nestedAbsmax: Float32Array;
}

/** Views of the parts of `bytes`, which begin at a multiple of four. */
export function partsOf(bytes: Uint8Array, size: number, packing: Packing): FourBitParts {
  const layout = fourBitLayout(size, packing);
  const { buffer, byteOffset } = bytes;
  const floats = (from: number, count: number) => new Float32Array(buffer, byteOffset + from, count);
  return {
    codes: bytes.subarray(layout.codes, layout.codes + layout.codeBytes),
    absmax: packing.nested
      ? bytes.subarray(layout.absmax, layout.absmax + layout.blocks)
      : floats(layout.absmax, layout.blocks),
    nestedAbsmax: floats(layout.nested, layout.nestedBlocks),
  };
}

function codeOf({ thresholds, order }: Codebook, x: number): number {
  let below = 0;
  while (below < thresholds.length && thresholds[below] < x) below++;
  return order[below];
}

/** Packs `values` into `bytes`, and answers the mean of the scales where they are nested. A last block that is not whole divides by its scale, as bitsandbytes does; others multiply by the reciprocal. */
export function packFourBit(values: Float32Array, quantType: QuantType, packing: Packing, bytes: Uint8Array): number {
  const { blockSize, nested } = packing;
  const book = codebooks[quantType];
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
      codes[at >> 1] |= codeOf(book, fround(whole ? x * inverse : x / divisor)) << (at & 1 ? 0 : 4);
    }
  }
  if (values.length % 2 === 1) codes[codes.length - 1] |= codeOf(book, 0);
  const offset = nested ? cascadeMean(scales) : 0;
  if (nested)
    encodeBlocks(
      scales.map((x) => x - offset),
      nestedTable,
      nestedBlockSize,
      absmax,
      nestedAbsmax,
    );
  writeHeader(bytes, values.length, packing, offset);
  return offset;
}

/** Writes all elements of a packed weight to `out`. */
export function unpackFourBit(bytes: Uint8Array, quantType: QuantType, packing: Packing, out: Float32Array): void {
  const { codes, absmax, nestedAbsmax } = partsOf(bytes, out.length, packing);
  const { values } = codebooks[quantType];
  const offset = readOffset(bytes);
  const scaleOf = (block: number): number => {
    if (absmax instanceof Float32Array) return absmax[block];
    const second = nestedAbsmax[Math.floor(block / nestedBlockSize)];
    return fround(fround(nestedTable[absmax[block]] * second) + offset);
  };
  for (let i = 0; i < out.length; i++) {
    const code = i & 1 ? codes[i >> 1] & 15 : codes[i >> 1] >> 4;
    out[i] = values[code] * scaleOf(Math.floor(i / packing.blockSize));
  }
}
