import { type Codebook, codebook, type FourBitFormat, type Packing } from "../../backends/packedFormat.ts";
import type { QuantType } from "../../layout/dtype.ts";
import { formatShape, sizeOf } from "../../layout/shape.ts";
import { dynamicMap } from "./eightBit.ts";
import { checkBlockSize, checkHeader, fourBitLayout, nestedBlockSize, readOffset } from "./fourBitLayout.ts";

const { fround } = Math;

/** The values of the 256 codes of nested scales, which are scales that are themselves quantised to 8 bits. */
export const nestedTable: Float32Array = dynamicMap();

/**
 * Creates the format of a 4-bit dtype, whose codes have the values in `codebook`. docs/design/packed.md shows the
 * layout of its bytes.
 */
function fourBitFormat(dtype: QuantType, codebook: Codebook): FourBitFormat {
  return {
    dtype,
    codebook,
    check: (what, { packing }) => checkBlockSize(what, packing?.blockSize),
    checkBytes: checkHeader,
    byteLength: ({ shape, packing }) => {
      if (!packing) throw new Error(`byteLength: ${dtype} ${formatShape(shape)} needs a packing (its block size)`);
      return fourBitLayout(sizeOf(shape), packing).byteLength;
    },
    unpack: (bytes, out, packing) => unpack(codebook, bytes, packing as Packing, out),
  };
}

/** The parts of a packed nf4 or fp4 weight, as views of its bytes. */
export interface FourBitParts {
  /** Two codes per byte; the high nibble belongs to the element with the even index. */
  readonly codes: Uint8Array;
  /** One scale per block: f32, or 8-bit codes if the scales are themselves quantised (`packing.nested`). */
  readonly absmax: Float32Array | Uint8Array;
  /** The scales of the quantised scales, f32. Empty if the scales are not quantised. */
  readonly nestedAbsmax: Float32Array;
}

/** Returns the parts of a packed weight as views. `bytes` must start at a multiple of four. */
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

/** Dequantises all elements of a packed weight and writes them to `out`. */
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

const positive = [0, 0.0052083334885537624, 2 / 3, 1, 1 / 3, 0.5, 1 / 6, 0.25];

/**
 * bitsandbytes' fp4: 4-bit floats with a sign bit, so there is a positive and a negative zero. As in bitsandbytes,
 * values just above 0 become the negative zero.
 */
export const fp4: FourBitFormat = fourBitFormat(
  "fp4",
  codebook(
    [...positive, 0, ...positive.slice(1).map((v) => -v)],
    [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3],
  ),
);

/**
 * bitsandbytes' nf4, whose 16 values are quantiles of a normal distribution. Dettmers et al. 2023,
 * https://arxiv.org/abs/2305.14314
 */
export const nf4: FourBitFormat = fourBitFormat(
  "nf4",
  codebook(
    [
      ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
      ...[-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0],
      ...[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
      ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
    ],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ),
);
