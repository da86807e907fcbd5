import type { RecordIndex } from "./indexRecords.ts";

/** The facts by which an index is known to be of a file as it is now, and of a way to read it. */
export interface IndexKey {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** All that decides which records are examples. */
  readonly settings: string;
}

const version = 1;

interface Header extends IndexKey {
  readonly version: number;
  readonly count: number;
  readonly checksum: number;
  readonly skipped: number;
  readonly told: readonly string[];
  readonly hasSizes: boolean;
}

/** Returns the bytes of an index file: a line of JSON, then offsets, lengths and sizes. */
export function encodeIndex(key: IndexKey, index: RecordIndex): Uint8Array {
  const { offsets, lengths, sizes, checksum, skipped, told } = index;
  const header: Header = { version, ...key, count: offsets.length, checksum, skipped, told, hasSizes: sizes !== null };
  const text = new TextEncoder().encode(JSON.stringify(header)).length;
  // Numbers of 64 bits are seen in the file as it lies in memory where they start at one.
  const line = new TextEncoder().encode(`${JSON.stringify(header)}${" ".repeat(7 - (text % 8))}\n`);
  const numbers = [offsets, lengths, ...(sizes ? [sizes] : [])];
  const parts = [line, ...numbers.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength))];
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads an index file; null for one of another version, or that is not whole. */
export function decodeIndex(bytes: Uint8Array): { key: IndexKey; index: RecordIndex } | null {
  const end = bytes.indexOf(10);
  if (end < 0) return null;
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  } catch {
    return null;
  }
  const { count, checksum, skipped, told, hasSizes, path, size, mtimeMs, settings } = header;
  if (header.version !== version || (end + 1) % 8 !== 0 || bytes.length !== end + 1 + count * (hasSizes ? 16 : 12))
    return null;
  const start = bytes.byteOffset + end + 1;
  if (start % 8 !== 0) return decodeIndex(bytes.slice());
  return {
    key: { path, size, mtimeMs, settings },
    index: {
      offsets: new Float64Array(bytes.buffer, start, count),
      lengths: new Uint32Array(bytes.buffer, start + 8 * count, count),
      sizes: hasSizes ? new Uint32Array(bytes.buffer, start + 12 * count, count) : null,
      ...{ checksum, skipped, told },
    },
  };
}
