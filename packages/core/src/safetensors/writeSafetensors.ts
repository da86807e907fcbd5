import { bytesOf } from "../internal/bytesOf.ts";
import type { DType, ElementDType } from "../layout/dtype.ts";
import { type SafetensorsDType, safetensorsBits, safetensorsByteLength, safetensorsNames } from "./safetensorsDType.ts";
import { SafetensorsError } from "./safetensorsError.ts";

/**
 * Name, dtype and shape of a tensor in a file. The dtype may be any of the format's dtypes, including those that this
 * library's tensors do not support.
 */
export interface SafetensorsSpec {
  name: string;
  dtype: DType | SafetensorsDType;
  shape: readonly number[];
}

/** A tensor to write. */
export interface SafetensorsTensor extends SafetensorsSpec {
  /** The elements in row-major order, little-endian. */
  bytes: Uint8Array;
}

/** A tensor to write, whose bytes are read only when it is written. */
export interface SafetensorsPiece extends SafetensorsSpec {
  /** Reads the elements: row-major, little-endian. */
  read: () => Promise<Uint8Array>;
}

const order = new Map(Object.keys(safetensorsBits).map((dtype, i) => [dtype, i]));

/**
 * Returns a number for a UTF-16 code unit. Sorting texts by these numbers gives the order of their UTF-8 bytes:
 * surrogates come after all other units.
 */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = utf8Rank(a.charCodeAt(i)) - utf8Rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function storedDType({ name, dtype, shape }: SafetensorsSpec): SafetensorsDType {
  const stored = Object.hasOwn(safetensorsNames, dtype)
    ? safetensorsNames[dtype as ElementDType]
    : (dtype as SafetensorsDType);
  if (!Object.hasOwn(safetensorsBits, stored)) {
    const known = Object.keys(safetensorsNames).join(", ");
    throw new SafetensorsError(`writeSafetensors: tensor "${name}" has the unknown dtype ${dtype}; there are ${known}`);
  }
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new SafetensorsError(`writeSafetensors: tensor "${name}" has the shape [${shape}]; sizes are integers >= 0`);
  }
  return stored;
}

function checkText(what: string, text: string): void {
  if (typeof text === "string" && text.isWellFormed()) return;
  throw new SafetensorsError(`writeSafetensors: ${what} ${JSON.stringify(text)} is not a string of valid Unicode`);
}

function describeMetadata(metadata: Readonly<Record<string, string>>): string {
  for (const [key, value] of Object.entries(metadata)) {
    checkText("metadata key", key);
    checkText(`metadata ${key}:`, value);
  }
  return `"__metadata__":${JSON.stringify(metadata)}`;
}

/**
 * Returns the header of a file, and its tensors in the order in which they are written: by dtype, then by name. The
 * header contains the metadata first, and is padded to a multiple of 8 bytes.
 */
function layOut<T extends SafetensorsSpec>(tensors: Iterable<T>, metadata?: Readonly<Record<string, string>>) {
  const sorted = Array.from(tensors, (tensor) => ({ tensor, stored: storedDType(tensor) }));
  sorted.sort((a, b) => order.get(a.stored)! - order.get(b.stored)! || compareUtf8(a.tensor.name, b.tensor.name));

  const names = new Set<string>();
  const parts = metadata ? [describeMetadata(metadata)] : [];
  let offset = 0;
  for (const { stored, tensor } of sorted) {
    const { name, shape } = tensor;
    checkText("the tensor name", name);
    if (names.has(name)) throw new SafetensorsError(`writeSafetensors: two tensors are named "${name}"; rename one`);
    if (name === "__metadata__") {
      throw new SafetensorsError('writeSafetensors: a tensor cannot be named "__metadata__"; rename it');
    }
    names.add(name);
    const end = offset + safetensorsByteLength(stored, shape);
    parts.push(`${JSON.stringify(name)}:{"dtype":"${stored}","shape":[${shape}],"data_offsets":[${offset},${end}]}`);
    offset = end;
  }

  const json = new TextEncoder().encode(`{${parts.join(",")}}`);
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  return { sorted, head, byteLength: head.length + offset };
}

function checkLength({ name, shape }: SafetensorsSpec, stored: SafetensorsDType, bytes: Uint8Array): Uint8Array {
  const expected = safetensorsByteLength(stored, shape);
  if (bytes.length === expected) return bytes;
  throw new SafetensorsError(
    `writeSafetensors: tensor "${name}", ${stored} of shape [${shape}], takes ${expected} bytes, but ${bytes.length} were given`,
  );
}

/** Returns the length in bytes of the file that `writeSafetensors` would return for these tensors. */
export function safetensorsFileLength(
  tensors: Iterable<SafetensorsSpec>,
  metadata?: Readonly<Record<string, string>>,
): number {
  return layOut(tensors, metadata).byteLength;
}

/**
 * Returns the bytes of a safetensors file, identical to what Hugging Face's library writes. Throws `SafetensorsError`
 * for repeated names, and for bytes that do not match the dtype and shape.
 */
export function writeSafetensors(
  tensors: Iterable<SafetensorsSpec & { bytes: ArrayBuffer | ArrayBufferView }>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const { sorted, head, byteLength } = layOut(tensors, metadata);
  const contents = sorted.map(({ tensor, stored }) => {
    return checkLength(tensor, stored, bytesOf(`writeSafetensors: tensor "${tensor.name}"`, tensor.bytes));
  });
  const file = new Uint8Array(byteLength);
  file.set(head);
  let at = head.length;
  for (const bytes of contents) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/**
 * Yields the bytes of the file that `writeSafetensors` would return, in pieces, so that only one tensor is in memory at
 * a time.
 */
export async function* streamSafetensors(
  tensors: Iterable<SafetensorsPiece>,
  metadata?: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array, void> {
  const { sorted, head } = layOut(tensors, metadata);
  yield head;
  for (const { tensor, stored } of sorted) yield checkLength(tensor, stored, await tensor.read());
}
