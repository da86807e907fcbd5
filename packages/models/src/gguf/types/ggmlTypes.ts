import { type BlockDType, blockFormats } from "@lowrank/core";
import { bf16, f16, f32 } from "./floats.ts";
import { type GgmlType, packedType, type WritableGgmlType } from "./ggmlType.ts";
import { q2K } from "./q2K.ts";
import { q3K } from "./q3K.ts";

/** The names of the types that can be written. */
export type GgufEncoding = "F32" | "F16" | "BF16" | Uppercase<BlockDType>;

const writable: readonly WritableGgmlType[] = [f32, f16, bf16, ...Object.values(blockFormats).map(packedType)];

/** The types that can be written, by name. */
export const encodings = Object.fromEntries(writable.map((type) => [type.name, type])) as Readonly<
  Record<GgufEncoding, WritableGgmlType>
>;

/** The types that can be read, by their number in a GGUF file. */
export const ggmlTypes: ReadonlyMap<number, GgmlType> = new Map(
  [...writable, q2K, q3K].sort((a, b) => a.id - b.id).map((type) => [type.id, type]),
);

/**
 * Returns whole blocks of a ggml type as f32 numbers: those of gguf-py's
 * `dequantize`, to the last bit.
 */
export function decodeBlocks({ name, block, decode }: GgmlType, blocks: Uint8Array): Float32Array {
  if (blocks.length % block.bytes !== 0) {
    throw new Error(`${name}: ${blocks.length} bytes are no whole blocks of ${block.bytes}`);
  }
  const out = new Float32Array((blocks.length / block.bytes) * block.elements);
  decode(blocks, out);
  return out;
}

/** Returns the bytes of `count` elements; `count` is a whole number of blocks. */
export function encodedLength(type: GgufEncoding, count: number): number {
  const { elements, bytes } = encodings[type].block;
  return (count / elements) * bytes;
}

/**
 * Returns whole rows of numbers as the blocks of a GGUF file, little-endian: the bytes of gguf-py's
 * `quantize`, and for K-blocks of ggml's reference quantiser. `what` names the tensor in errors: a
 * number that is not finite (a quantised block would lose all others), or beyond f16.
 */
export function encodeBlocks(type: GgufEncoding, values: Float32Array, what: string): Uint8Array<ArrayBuffer> {
  const { block, encode } = encodings[type];
  if (values.length % block.elements !== 0) {
    throw new Error(`${what}: ${values.length} numbers are no whole blocks of ${block.elements}, which ${type} needs`);
  }
  return encode(values, what);
}
