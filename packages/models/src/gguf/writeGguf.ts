import { encodedLength, encodings, type GgufEncoding } from "./types/ggmlTypes.ts";

/** A metadata value of a GGUF file, with its type. */
export type GgufValue =
  | { type: "u32" | "i32" | "f32"; value: number }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string }
  | { type: "strings"; value: readonly string[] }
  | { type: "bools"; value: readonly boolean[] }
  | { type: "i32s" | "f32s"; value: ArrayLike<number> };

/** A tensor to write. */
export interface GgufTensor {
  name: string;
  type: GgufEncoding;
  /** The shape as in PyTorch: [..., rows, columns]. The file lists sizes in reverse order. */
  shape: readonly number[];
  /**
   * Returns the tensor's encoded blocks. Called only when the tensor is written, so that one tensor at a time is in
   * memory.
   */
  read: () => Promise<Uint8Array>;
}

/** The contents of a GGUF file. Tensors are written in this order. */
export interface GgufContents {
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: readonly GgufTensor[];
}

/** The id of each metadata type in a GGUF file. */
const valueTypes = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

const alignment = 32;
const paddingAfter = (length: number): number => (alignment - (length % alignment)) % alignment;

/** Writes little-endian values to a growing buffer. */
class ByteWriter {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  u32(value: number): void {
    this.#next(4).setUint32(0, value, true);
  }

  i32(value: number): void {
    this.#next(4).setInt32(0, value, true);
  }

  f32(value: number): void {
    this.#next(4).setFloat32(0, value, true);
  }

  u64(value: number): void {
    this.#next(8).setBigUint64(0, BigInt(value), true);
  }

  bool(value: boolean): void {
    this.#next(1).setUint8(0, value ? 1 : 0);
  }

  string(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.u64(bytes.length);
    const { byteOffset } = this.#next(bytes.length);
    this.#bytes.set(bytes, byteOffset);
  }

  zeros(count: number): void {
    this.#next(count);
  }

  /** Appends `count` zero bytes and returns a view of them. */
  #next(count: number): DataView {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return new DataView(this.#bytes.buffer, start, count);
  }
}

function writeValue(out: ByteWriter, entry: GgufValue): void {
  switch (entry.type) {
    case "strings":
    case "bools":
    case "i32s":
    case "f32s": {
      const item = entry.type.slice(0, -1) as "string" | "bool" | "i32" | "f32";
      out.u32(valueTypes.array);
      out.u32(valueTypes[item]);
      out.u64(entry.value.length);
      for (const value of Array.from<string | boolean | number>(entry.value)) out[item](value as never);
      return;
    }
    default:
      out.u32(valueTypes[entry.type]);
      out[entry.type](entry.value as never);
  }
}

/** Returns the bytes of a file before the tensor data: header, metadata and tensor table, padded to the alignment. */
function head({ metadata, tensors }: GgufContents): Uint8Array {
  const out = new ByteWriter();
  out.u32(0x46554747); // "GGUF"
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    writeValue(out, value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    out.string(tensor.name);
    out.u32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) out.u64(size);
    out.u32(encodings[tensor.type].id);
    out.u64(offset);
    const length = byteLength(tensor);
    offset += length + paddingAfter(length);
  }
  out.zeros(paddingAfter(out.length));
  return out.done();
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const byteLength = ({ type, shape }: GgufTensor): number => encodedLength(type, elementsOf(shape));

/**
 * Yields the bytes of a GGUF file (version 3, alignment 32) in pieces, so that one tensor at a time is in memory.
 * Throws if rows are not whole blocks, if two tensors have the same name, or if a tensor's data and shape differ in
 * size.
 */
export async function* writeGguf(contents: GgufContents): AsyncGenerator<Uint8Array, void> {
  const names = new Set<string>();
  for (const { name, type, shape } of contents.tensors) {
    if (names.has(name)) throw new Error(`writeGguf: two tensors are named "${name}"`);
    names.add(name);
    const { elements } = encodings[type].block;
    if ((shape.at(-1) ?? elementsOf(shape)) % elements !== 0) {
      throw new Error(`writeGguf: "${name}" is [${shape}]; ${type} needs rows of whole blocks of ${elements}`);
    }
  }
  yield head(contents);
  for (const tensor of contents.tensors) {
    const bytes = await tensor.read();
    const expected = byteLength(tensor);
    if (bytes.length !== expected) {
      throw new Error(
        `writeGguf: "${tensor.name}", ${tensor.type} of shape [${tensor.shape}], takes ${expected} bytes, not ${bytes.length}`,
      );
    }
    yield bytes;
    yield new Uint8Array(paddingAfter(expected));
  }
}
