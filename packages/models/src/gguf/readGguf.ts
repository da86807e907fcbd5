import type { ByteSource } from "@lowrank/core";
import { HeaderCutOff, HeaderReader } from "./headerReader.ts";
import { type GgmlType, ggmlTypeNames } from "./types/ggmlType.ts";
import { ggmlTypes } from "./types/ggmlTypes.ts";

/** A metadata value of a GGUF file. */
export interface GgufMetadataValue {
  /** The type's name in gguf-py, such as UINT32. A list has "ARRAY/" followed by its item type. */
  readonly type: string;
  /** A string, number, boolean or list. A 64-bit integer above 2^53 is a bigint. */
  readonly value: unknown;
}

/** An entry of a GGUF file's tensor table. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** The shape as in PyTorch: [..., rows, columns]. The file lists sizes in reverse order. */
  readonly shape: readonly number[];
  /** Position in the file of the tensor's first block, in bytes. */
  readonly offset: number;
  /** Size of all the tensor's blocks, in bytes. */
  readonly byteLength: number;
}

/** The part of a GGUF file before the tensor data. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufMetadataValue>;
  /** Tensors by name, in file order. */
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
}

const maxDimensions = 8;

/**
 * Number of bytes of the file to read first. As long as they do not contain the whole header, four times as many bytes
 * are read.
 */
const firstPart = 2 ** 21;

/**
 * Reads the metadata and the tensor table of a GGUF file (version 2 or 3, little-endian) without tensor data. Throws if
 * the file is not GGUF, is truncated, or has a tensor of an unsupported type.
 */
export async function readGguf(source: ByteSource, label: string): Promise<GgufHeader> {
  for (let part = firstPart; ; part *= 4) {
    const bytes = await source.read(0, Math.min(part, source.size));
    try {
      return readHeader(bytes, source.size, label);
    } catch (error) {
      if (!(error instanceof HeaderCutOff)) throw error;
      if (bytes.length >= source.size) {
        throw new Error(`${label} ends at byte ${source.size}, within its header; it is cut off: download it again`);
      }
    }
  }
}

function readHeader(bytes: Uint8Array, fileSize: number, label: string): GgufHeader {
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "GGUF") {
    throw new Error(`${label} cannot be read as GGUF: it does not begin with "GGUF"; was another file downloaded?`);
  }
  const reader = new HeaderReader(bytes, 4);
  const version = checkVersion(reader.u32(), label);
  const [tensorCount, entryCount] = [reader.size(), reader.size()];
  const metadata = new Map<string, GgufMetadataValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = reader.text();
    try {
      metadata.set(key, reader.typedValue());
    } catch (error) {
      if (error instanceof HeaderCutOff) throw error;
      throw new Error(`${label} cannot be read as GGUF: ${key}: ${(error as Error).message}`, { cause: error });
    }
  }
  const found: Omit<GgufTensorInfo, "byteLength">[] = [];
  for (let i = 0; i < tensorCount; i++) found.push(readTensor(reader, label));
  const alignment = alignmentOf(metadata, label);
  const dataStart = Math.ceil(reader.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensorInfo>();
  for (const { name, type, shape, offset } of found) {
    if (tensors.has(name)) throw new Error(`${label} holds two tensors named "${name}"`);
    const info = locate(name, type, shape, dataStart + offset, label);
    if (info.offset + info.byteLength > fileSize) {
      throw new Error(
        `${label} ends at byte ${fileSize}, before the end of "${name}"; it is cut off: download it again`,
      );
    }
    tensors.set(name, info);
  }
  return { version, metadata, tensors };
}

function checkVersion(version: number, label: string): number {
  if (version === 2 || version === 3) return version;
  // In a big-endian file, the lower 16 bits of the version are 0 when read as little-endian.
  const bigEndian = version !== 0 && (version & 0xffff) === 0;
  if (version !== 1 && !bigEndian) throw new Error(`${label} is GGUF of version ${version}; only 2 and 3 can be read`);
  const variant = bigEndian ? "big-endian" : `version ${version}`;
  throw new Error(`${label} is ${variant} GGUF; convert the model again with a current llama.cpp`);
}

function alignmentOf(metadata: ReadonlyMap<string, GgufMetadataValue>, label: string): number {
  const alignment = metadata.get("general.alignment")?.value ?? 32;
  if (Number.isInteger(alignment) && Number(alignment) > 0) return Number(alignment);
  throw new Error(`${label}: general.alignment is ${alignment}; expected a positive whole number`);
}

/** Reads one entry of the tensor table. Its `offset` is relative to the start of the tensor data. */
function readTensor(reader: HeaderReader, label: string): Omit<GgufTensorInfo, "byteLength"> {
  const name = reader.text();
  const dimensions = reader.u32();
  if (dimensions > maxDimensions) throw new Error(`${label}: "${name}" has more than ${maxDimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => reader.size()).reverse();
  const [id, offset] = [reader.u32(), reader.size()];
  const type = ggmlTypes.get(id);
  if (type) return { name, type, shape, offset };
  const readable = Array.from(ggmlTypes.values(), (known) => known.name).join(", ");
  throw new Error(
    `${label}: "${name}" is ${ggmlTypeNames[id] ?? `of type ${id}`}; only ${readable} can be read: take another quantisation of the model`,
  );
}

function locate(name: string, type: GgmlType, shape: readonly number[], offset: number, label: string): GgufTensorInfo {
  const size = shape.reduce((product, n) => product * n, 1);
  const columns = shape.at(-1) ?? size;
  if (columns % type.block.elements !== 0) {
    throw new Error(
      `${label}: "${name}" is [${shape}]; rows of ${type.name} must be whole blocks of ${type.block.elements}`,
    );
  }
  return { name, type, shape, offset, byteLength: (size / type.block.elements) * type.block.bytes };
}
