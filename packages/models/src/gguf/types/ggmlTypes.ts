import { type BlockDType, bf16ToF32, blockFormats, f16ToF32, f32ToBf16, f32ToF16 } from "@lowrank/core";
import { type GgmlType, packedType, type WritableGgmlType } from "./ggmlType.ts";
import { q2K } from "./q2K.ts";
import { q3K } from "./q3K.ts";

/** Returns a view of bytes as 16-bit codes. If the byte offset is odd, the bytes are copied first. */
function codes(bytes: Uint8Array): Uint16Array {
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(even.buffer, even.byteOffset, even.length / 2);
}

/** F32: stored unchanged. */
export const f32: WritableGgmlType = {
  id: 0,
  name: "F32",
  block: { elements: 1, bytes: 4 },
  decode: (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, bytes.length).set(bytes),
  encode: (values) => new Uint8Array(values.slice().buffer),
};

/** F16: IEEE half precision. Encoding throws for values beyond its range. */
export const f16: WritableGgmlType = {
  id: 1,
  name: "F16",
  block: { elements: 1, bytes: 2 },
  decode: (bytes, out) => f16ToF32(codes(bytes), out),
  encode: (values, what) => {
    const halves = new Uint16Array(values.length);
    f32ToF16(values, halves);
    const lost = halves.findIndex((code, i) => (code & 0x7fff) === 0x7c00 && Number.isFinite(values[i]));
    if (lost >= 0) throw new Error(`${what} holds ${values[lost]}, beyond f16's 65504; write bf16 or f32`);
    return new Uint8Array(halves.buffer);
  },
};

/** BF16: the upper 16 bits of an f32. */
export const bf16: WritableGgmlType = {
  id: 30,
  name: "BF16",
  block: { elements: 1, bytes: 2 },
  decode: (bytes, out) => bf16ToF32(codes(bytes), out),
  encode: (values) => {
    const halves = new Uint16Array(values.length);
    f32ToBf16(values, halves);
    return new Uint8Array(halves.buffer);
  },
};

/** The names of the tensor types that can be written. */
export type GgufEncoding = "F32" | "F16" | "BF16" | Uppercase<BlockDType>;

const writable: readonly WritableGgmlType[] = [f32, f16, bf16, ...Object.values(blockFormats).map(packedType)];

/** The ggml types that can be written, by name. */
export const encodings = Object.fromEntries(writable.map((type) => [type.name, type])) as Readonly<
  Record<GgufEncoding, WritableGgmlType>
>;

/** The ggml types that can be read, by ggml's id. */
export const ggmlTypes: ReadonlyMap<number, GgmlType> = new Map(
  [...writable, q2K, q3K].sort((a, b) => a.id - b.id).map((type) => [type.id, type]),
);

/** Decodes whole blocks of a ggml type to f32. The result equals gguf-py's `dequantize` bit for bit. */
export function decodeBlocks({ name, block, decode }: GgmlType, blocks: Uint8Array): Float32Array {
  if (blocks.length % block.bytes !== 0) {
    throw new Error(`${name}: ${blocks.length} bytes are not a multiple of the block size, ${block.bytes} bytes`);
  }
  const out = new Float32Array((blocks.length / block.bytes) * block.elements);
  decode(blocks, out);
  return out;
}

/** Returns the encoded size in bytes of `count` elements, which must be whole blocks. */
export function encodedLength(type: GgufEncoding, count: number): number {
  const { elements, bytes } = encodings[type].block;
  return (count / elements) * bytes;
}

/**
 * Encodes whole rows to blocks, little-endian. The bytes equal the results of gguf-py's `quantize` or, for K-blocks, of
 * ggml's reference quantiser. Throws if values are not whole blocks, not finite, or beyond the range of f16. `what` is
 * the tensor's name in error messages.
 */
export function encodeBlocks(type: GgufEncoding, values: Float32Array, what: string): Uint8Array<ArrayBuffer> {
  const { block, encode } = encodings[type];
  if (values.length % block.elements !== 0) {
    throw new Error(
      `${what}: ${values.length} values are not a multiple of ${block.elements}, the block size of ${type}`,
    );
  }
  return encode(values, what);
}
