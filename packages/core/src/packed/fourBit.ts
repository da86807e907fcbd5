import type { QuantType } from "../dtype.ts";
import { cascadeMean } from "../quantize/cascadeMean.ts";
import { dynamicMap } from "../quantize/dynamicMap.ts";
import { encodeBlocks } from "../quantize/eightBit.ts";
import { formatShape, sizeOf } from "../shape.ts";
import { type Codebook, codeOf } from "./codebook.ts";
import {
  checkBlockSize,
  checkHeader,
  fourBitLayout,
  nestedBlockSize,
  readOffset,
  writeHeader,
} from "./fourBitLayout.ts";
import type { FourBitFormat, Packing } from "./packedFormat.ts";

const { fround } = Math;
const nestedTable = dynamicMap();
const tiny = fround(1e-38);

/**
 * Makes a format of 4-bit codes with the given meaning, which lies as
 * docs/design/packed.md draws it.
 */
export function fourBitFormat(dtype: QuantType, codebook: Codebook): FourBitFormat {
  return {
    dtype,
    codebook,
    quantizes: true,
    check: (what, { packing }) => checkBlockSize(what, packing?.blockSize),
    checkBytes: checkHeader,
    byteLength: ({ shape, packing }) => {
      if (!packing) throw new Error(`byteLength: ${dtype} ${formatShape(shape)} needs a packing, its block size`);
      return fourBitLayout(sizeOf(shape), packing).byteLength;
    },
    pack: (values, packing, bytes) => pack(codebook, values, packing, bytes),
    unpack: (bytes, out, packing) => unpack(codebook, bytes, packing as Packing, out),
  };
}

/** The parts of a packed nf4 or fp4 weight, over its bytes. */
export interface FourBitParts {
  /** Two codes a byte, the even element's in the high nibble. */
  readonly codes: Uint8Array;
  /** One scale for each block: f32, or 8-bit codes where nested. */
  readonly absmax: Float32Array | Uint8Array;
  /** Second-level scales, f32; empty where not nested. */
  readonly nestedAbsmax: Float32Array;
}

/** Returns views of the parts of `bytes`, which begin at a multiple of four. */
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

/**
 * Packs `values` into `bytes`. Returns the mean of the scales where they are nested, else
 * 0. A last block that is not whole divides by its scale, as bitsandbytes does; others
 * multiply by the reciprocal.
 */
function pack(codebook: Codebook, values: Float32Array, packing: Packing, bytes: Uint8Array): number {
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

/** Writes all elements of a packed weight to `out`. */
function unpack({ values }: Codebook, bytes: Uint8Array, packing: Packing, out: Float32Array): void {
  const { codes, absmax, nestedAbsmax } = partsOf(bytes, out.length, packing);
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
