import type { TensorSpec } from "../../backends/backend.ts";
import type { Packing } from "../../backends/packedFormat.ts";
import { OptionError } from "../../internal/optionError.ts";
import { formatShape, sizeOf } from "../../layout/shape.ts";

/** Number of scales that share one second-level scale. */
export const nestedBlockSize = 256;

/** Byte offsets of the parts of a packed nf4 or fp4 weight: a header, codes, scales, and second-level scales. */
export interface FourBitLayout {
  readonly codes: number;
  readonly codeBytes: number;
  readonly absmax: number;
  readonly blocks: number;
  /** Offset of the second-level scales; 0 if the scales are not nested. */
  readonly nested: number;
  readonly nestedBlocks: number;
  readonly byteLength: number;
}

const headerBytes = 64;

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Returns the byte offsets for a weight of `size` elements, as drawn in docs/design/packed.md. */
export function fourBitLayout(size: number, { blockSize, nested }: Packing): FourBitLayout {
  const codeBytes = Math.ceil(size / 2);
  const blocks = Math.ceil(size / blockSize);
  const absmax = align(headerBytes + codeBytes);
  const parts = { codes: headerBytes, codeBytes, absmax, blocks };
  if (!nested) return { ...parts, nested: 0, nestedBlocks: 0, byteLength: absmax + 4 * blocks };
  const second = align(absmax + blocks);
  const nestedBlocks = Math.ceil(blocks / nestedBlockSize);
  return { ...parts, nested: second, nestedBlocks, byteLength: second + 4 * nestedBlocks };
}

/** Throws unless bitsandbytes supports the block size: a power of two from 32 to 4096. */
export function checkBlockSize(what: string, blockSize: number | undefined): void {
  if (blockSize !== undefined && blockSize >= 32 && blockSize <= 4096 && Number.isInteger(Math.log2(blockSize))) return;
  throw new OptionError(what, "blockSize", blockSize, `is ${blockSize}; use a power of two from 32 to 4096`);
}

const headerOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Returns the first three u32 fields of the header: the block size, and the byte offsets of the scales and the
 * second-level scales (0 if there are none). Kernels read them.
 */
function headerFields(size: number, packing: Packing): number[] {
  const { absmax, nested } = fourBitLayout(size, packing);
  return [packing.blockSize, absmax, nested];
}

/** Throws unless the header of a packed nf4 or fp4 weight agrees with its shape and packing. */
export function checkHeader(what: string, bytes: Uint8Array, { shape, dtype, packing }: TensorSpec): void {
  if (!packing) return;
  const header = headerOf(bytes);
  const fields = headerFields(sizeOf(shape), packing);
  if (fields.every((value, i) => header.getUint32(4 * i, true) === value)) return;
  throw new Error(
    `${what}: the header of the ${dtype} bytes does not describe a weight ${formatShape(shape)} in blocks of ${packing.blockSize}`,
  );
}

/**
 * Writes the header of a packed nf4 or fp4 weight. `offset` is the mean that was subtracted from the scales before they
 * were quantised; 0 if they are not quantised.
 */
export function writeHeader(bytes: Uint8Array, size: number, packing: Packing, offset: number): void {
  const header = headerOf(bytes);
  for (const [i, value] of headerFields(size, packing).entries()) header.setUint32(4 * i, value, true);
  header.setFloat32(12, offset, true);
}

/**
 * Returns the mean that was subtracted from the scales before they were quantised, as stored in the header; 0 if they
 * are not quantised.
 */
export function readOffset(bytes: Uint8Array): number {
  return headerOf(bytes).getFloat32(12, true);
}
