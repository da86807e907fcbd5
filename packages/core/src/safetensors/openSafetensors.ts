import type { ElementDType } from "../layout/dtype.ts";
import { type ByteSource, byteSource } from "./byteSource.ts";
import { type SafetensorsDType, safetensorsBits, safetensorsNames } from "./safetensorsDType.ts";
import { SafetensorsError } from "./safetensorsError.ts";
import { maxHeaderLength, parseSafetensorsHeader, type SafetensorsEntry } from "./safetensorsHeader.ts";

/** Dtype, shape and size of a tensor in a file. */
export interface SafetensorsInfo {
  /** The dtype in the file. `read` does not support all of them. */
  dtype: SafetensorsDType;
  shape: readonly number[];
  /** Number of bytes that the tensor takes in the file. */
  byteLength: number;
}

/**
 * The values of one tensor. `bytes` are little-endian, aligned to their element, and may
 * share memory with the source.
 */
export interface SafetensorsData<D = ElementDType> {
  dtype: D;
  shape: number[];
  bytes: Uint8Array;
}

/**
 * The values of one tensor, divided into parts of whole elements. Use each part before you request the next one, which
 * overwrites it.
 */
export interface SafetensorsParts {
  dtype: ElementDType;
  shape: number[];
  parts: AsyncIterable<Uint8Array>;
}

/** An open safetensors file, or several files of a sharded model. A tensor's data is loaded only when it is read. */
export interface SafetensorsFile {
  /** The name of the file in messages. */
  readonly label: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Returns the tensors' names in the order of their data or, for a sharded model, in the order of the index. */
  names(): string[];
  has(name: string): boolean;
  /** Returns the dtype, shape and size of a tensor. Throws `SafetensorsError` for an unknown name. */
  info(name: string): SafetensorsInfo;
  /**
   * Reads one tensor. I64 is converted to i32. Throws `SafetensorsError` if a value does not fit into i32, or if the
   * dtype is not supported.
   */
  read(name: string): Promise<SafetensorsData>;
  /**
   * Reads one tensor in parts, one after the other, into `room`, whose length must be a multiple of 8. If the source
   * has no `readInto`, there is a single part with all elements.
   */
  readParts(name: string, room: Uint8Array): SafetensorsParts;
  /** Reads one tensor without conversion, in any dtype, for example to copy it to another file. */
  readStored(name: string): Promise<SafetensorsData<SafetensorsDType>>;
}

const tensorDTypes = new Map<string, ElementDType>(
  Object.entries(safetensorsNames).map(([dtype, name]) => [name, dtype as ElementDType]),
);

async function readExactly(source: ByteSource, offset: number, length: number, label: string): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array(0);
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) {
    throw new SafetensorsError(
      `${label}: reading ${length} bytes at ${offset} gave ${bytes.length}; the file changed or is cut off`,
    );
  }
  return bytes;
}

/** Returns names as text for a message: all if they are few, otherwise the first five. */
function list(names: string[]): string {
  return names.length > 6 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ") || "none";
}

class SingleFile implements SafetensorsFile {
  readonly label: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: ByteSource;
  readonly #tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly #dataStart: number;

  constructor(label: string, source: ByteSource, header: Uint8Array) {
    this.label = label;
    this.#source = source;
    this.#dataStart = 8 + header.length;
    const { metadata, tensors } = parseSafetensorsHeader(header, source.size - this.#dataStart, label);
    this.metadata = metadata;
    this.#tensors = tensors;
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  info(name: string): SafetensorsInfo {
    const { dtype, shape, begin, end } = this.#entry(name);
    return { dtype, shape, byteLength: end - begin };
  }

  async read(name: string): Promise<SafetensorsData> {
    const dtype = this.#elementDType(name);
    const { shape, bytes, dtype: stored } = await this.readStored(name);
    if (stored !== "I64") return { dtype, shape, bytes };
    const { narrowI64 } = await import("./narrowI64.ts");
    return { dtype, shape, bytes: narrowI64(bytes, this.#what(name)) };
  }

  readParts(name: string, room: Uint8Array): SafetensorsParts {
    const { shape, dtype: stored } = this.#entry(name);
    const inRoom = this.#source.readInto !== undefined && stored !== "I64";
    const parts = inRoom ? this.#partsInRoom(name, room) : this.#whole(name);
    return { dtype: this.#elementDType(name), shape: [...shape], parts };
  }

  async *#partsInRoom(name: string, room: Uint8Array): AsyncGenerator<Uint8Array> {
    const { begin, end } = this.#entry(name);
    if (room.length === 0 || room.length % 8 !== 0) {
      throw new SafetensorsError(`readParts: the buffer has ${room.length} bytes; give a multiple of 8`);
    }
    for (let at = begin; at < end; at += room.length) {
      const part = room.subarray(0, Math.min(room.length, end - at));
      await this.#source.readInto?.(this.#dataStart + at, part);
      yield part;
    }
  }

  async *#whole(name: string): AsyncGenerator<Uint8Array> {
    yield (await this.read(name)).bytes;
  }

  async readStored(name: string): Promise<SafetensorsData<SafetensorsDType>> {
    const { dtype, shape, begin, end } = this.#entry(name);
    const bytes = await readExactly(this.#source, this.#dataStart + begin, end - begin, this.#what(name));
    const aligned = bytes.byteOffset % Math.max(1, safetensorsBits[dtype] / 8) === 0;
    return { dtype, shape: [...shape], bytes: aligned ? bytes : bytes.slice() };
  }

  #what(name: string): string {
    return `${this.label}: tensor "${name}"`;
  }

  /** Returns the dtype that a tensor's elements have after `read`. Throws for an unsupported dtype. */
  #elementDType(name: string): ElementDType {
    const { dtype: stored } = this.#entry(name);
    const dtype = stored === "I64" ? "i32" : tensorDTypes.get(stored);
    if (dtype !== undefined) return dtype;
    const readable = [...tensorDTypes.keys()].join(", ");
    throw new SafetensorsError(
      `${this.#what(name)} is ${stored}; only ${readable} and I64 can be read: convert the file first`,
    );
  }

  #entry(name: string): SafetensorsEntry {
    const entry = this.#tensors.get(name);
    if (!entry) {
      throw new SafetensorsError(`${this.label}: there is no tensor "${name}"; the file holds ${list(this.names())}`);
    }
    return entry;
  }
}

/**
 * Opens a safetensors file from a source, a Blob or bytes in memory. Reads and checks only the header; tensors are read
 * later. `label` names the file in messages. Throws `SafetensorsError` for an invalid file; errors of the source itself
 * are passed on.
 */
export async function openSafetensors(
  file: ByteSource | Blob | ArrayBuffer | ArrayBufferView,
  label = "safetensors",
): Promise<SafetensorsFile> {
  const source = byteSource(file);
  if (source.size < 8) {
    throw new SafetensorsError(`${label}: ${source.size} bytes are too few for a safetensors file; download it again`);
  }
  const prefix = await readExactly(source, 0, 8, label);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  const limit = Math.min(maxHeaderLength, source.size - 8);
  if (length > limit) {
    throw new SafetensorsError(
      `${label}: the header would take ${length} bytes, and at most ${limit} are possible in this file of ${source.size}; it is cut off, a Git LFS pointer, or not safetensors`,
    );
  }
  return new SingleFile(label, source, await readExactly(source, 8, Number(length), label));
}
