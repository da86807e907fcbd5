import { bf16ToF32, decodeQ4_1, decodeQ8_0, f16ToF32 } from "@lowrank/core";
import { q4K, q5K, q6K } from "./decodeKBlocks.ts";
import { q4_0, q5_0, q5_1 } from "./decodeSmallBlocks.ts";

/** Widens whole blocks to f32, into `out` from its start. */
type Decode = (blocks: Uint8Array, out: Float32Array) => void;

/** A tensor type of ggml that can be read. */
export interface GgmlType {
  readonly name: string;
  /** Elements of a block, and the bytes it takes. */
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly decode: Decode;
}

/** A view as 16-bit codes; of a copy where the bytes lie on an odd address. */
function codes(bytes: Uint8Array): Uint16Array {
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(even.buffer, even.byteOffset, even.length / 2);
}

const f32: Decode = (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, bytes.length).set(bytes);
const f16: Decode = (bytes, out) => f16ToF32(codes(bytes), out);
const bf16: Decode = (bytes, out) => bf16ToF32(codes(bytes), out);

/** The types that can be read, by their number in a GGUF file. */
export const ggmlTypes: ReadonlyMap<number, GgmlType> = new Map([
  [0, { name: "F32", blockSize: 1, blockBytes: 4, decode: f32 }],
  [1, { name: "F16", blockSize: 1, blockBytes: 2, decode: f16 }],
  [2, { name: "Q4_0", blockSize: 32, blockBytes: 18, decode: q4_0 }],
  [3, { name: "Q4_1", blockSize: 32, blockBytes: 20, decode: decodeQ4_1 }],
  [6, { name: "Q5_0", blockSize: 32, blockBytes: 22, decode: q5_0 }],
  [7, { name: "Q5_1", blockSize: 32, blockBytes: 24, decode: q5_1 }],
  [8, { name: "Q8_0", blockSize: 32, blockBytes: 34, decode: decodeQ8_0 }],
  [12, { name: "Q4_K", blockSize: 256, blockBytes: 144, decode: q4K }],
  [13, { name: "Q5_K", blockSize: 256, blockBytes: 176, decode: q5K }],
  [14, { name: "Q6_K", blockSize: 256, blockBytes: 210, decode: q6K }],
  [30, { name: "BF16", blockSize: 1, blockBytes: 2, decode: bf16 }],
]);

/** Whole blocks of a ggml type as f32 numbers: those of gguf-py's `dequantize`, to the last bit. */
export function decodeBlocks({ name, blockSize, blockBytes, decode }: GgmlType, blocks: Uint8Array): Float32Array {
  if (blocks.length % blockBytes !== 0) {
    throw new Error(`${name}: ${blocks.length} bytes are no whole blocks of ${blockBytes}`);
  }
  const out = new Float32Array((blocks.length / blockBytes) * blockSize);
  decode(blocks, out);
  return out;
}
