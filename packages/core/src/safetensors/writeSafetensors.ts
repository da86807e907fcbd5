import type { DType, ElementDType } from "../dtype.ts";
import { type SafetensorsDType, safetensorsBits, safetensorsByteLength, safetensorsNames } from "./safetensorsDType.ts";
import { SafetensorsError } from "./safetensorsError.ts";

/** A tensor to write; a dtype of the file format itself copies one that tensors cannot hold. */
export interface SafetensorsTensor {
  name: string;
  dtype: DType | SafetensorsDType;
  shape: readonly number[];
  /** Little-endian elements, row-major. */
  bytes: Uint8Array;
}

const order = new Map(Object.keys(safetensorsBits).map((dtype, i) => [dtype, i]));

/** A UTF-16 unit's place in the order of UTF-8 bytes, where surrogates come after all other units. */
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

function storedDType({ name, dtype, shape, bytes }: SafetensorsTensor): SafetensorsDType {
  const stored = Object.hasOwn(safetensorsNames, dtype)
    ? safetensorsNames[dtype as ElementDType]
    : (dtype as SafetensorsDType);
  if (!Object.hasOwn(safetensorsBits, stored)) {
    throw new SafetensorsError(`writeSafetensors: tensor "${name}" has the unknown dtype ${dtype}`);
  }
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new SafetensorsError(`writeSafetensors: tensor "${name}" has the shape [${shape}]; sizes are integers >= 0`);
  }
  const expected = safetensorsByteLength(stored, shape);
  if (bytes.length !== expected) {
    throw new SafetensorsError(
      `writeSafetensors: tensor "${name}", ${stored} of shape [${shape}], takes ${expected} bytes, but ${bytes.length} were given`,
    );
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
 * The bytes of a safetensors file, the same as Hugging Face's library writes: metadata first, tensors by dtype and
 * then name, the header padded to 8 bytes. Throws `SafetensorsError` for repeated names and sizes that do not fit.
 */
export function writeSafetensors(
  tensors: Iterable<SafetensorsTensor>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const sorted = Array.from(tensors, (tensor) => ({ ...tensor, dtype: storedDType(tensor) }));
  sorted.sort((a, b) => order.get(a.dtype)! - order.get(b.dtype)! || compareUtf8(a.name, b.name));

  const names = new Set<string>();
  const parts = metadata ? [describeMetadata(metadata)] : [];
  let offset = 0;
  for (const { name, dtype, shape, bytes } of sorted) {
    checkText("the tensor name", name);
    if (names.has(name)) throw new SafetensorsError(`writeSafetensors: two tensors are named "${name}"; rename one`);
    if (name === "__metadata__") {
      throw new SafetensorsError('writeSafetensors: a tensor cannot be named "__metadata__"; rename it');
    }
    names.add(name);
    const end = offset + bytes.length;
    parts.push(`${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offset},${end}]}`);
    offset = end;
  }

  const header = new TextEncoder().encode(`{${parts.join(",")}}`);
  const dataStart = 8 + Math.ceil(header.length / 8) * 8;
  const file = new Uint8Array(dataStart + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(dataStart - 8), true);
  file.set(header, 8);
  file.fill(0x20, 8 + header.length, dataStart);
  let at = dataStart;
  for (const { bytes } of sorted) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}
