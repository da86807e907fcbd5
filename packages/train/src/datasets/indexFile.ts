import type { ByteSource } from "@lowrank/core";
import { crc32, hexOf } from "../data/crc32.ts";
import type { ExampleTokenizer } from "../data/tokens/tokenize.ts";
import type { RecordIndex } from "./indexRecords.ts";

/** The file and the settings that an index was built for. The index is valid only if all of them are unchanged. */
export interface IndexKey {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** All settings that determine which records are examples, as JSON. */
  readonly settings: string;
}

const version = 1;

interface Header extends IndexKey, Pick<RecordIndex, "checksum" | "skipped" | "told"> {
  readonly version: number;
  readonly count: number;
  readonly hasSizes: boolean;
}

/** An index on disk, which gives the position of each example in a data file. */
export interface OpenIndex extends Pick<RecordIndex, "checksum" | "skipped" | "told"> {
  readonly key: IndexKey;
  readonly count: number;
  /** The size of each example: as `measure` returned it or, without `measure`, in bytes. */
  readonly sizes: Uint32Array;
  /** Reads the position of example `number` in the data file: offset and length in bytes. */
  place(number: number): Promise<{ offset: number; length: number }>;
}

/** Yields the contents of an index file: a line of JSON, then the examples' offsets, lengths and sizes. */
export async function* encodeIndex(key: IndexKey, index: RecordIndex): AsyncGenerator<Uint8Array> {
  const { offsets, lengths, sizes, checksum, skipped, told } = index;
  const header: Header = { version, ...key, count: offsets.length, checksum, skipped, told, hasSizes: sizes !== null };
  yield new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  for (const part of [offsets, lengths, ...(sizes ? [sizes] : [])]) {
    yield new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  }
}

/** Opens an index file. Returns null if it is incomplete or has another format version. */
export async function openIndexFile(source: ByteSource): Promise<OpenIndex | null> {
  const header = await headerOf(source);
  if (!header || header.version !== version) return null;
  const { start, count, hasSizes, checksum, skipped, told, path, size, mtimeMs, settings } = header;
  if (source.size !== start + count * (hasSizes ? 16 : 12)) return null;
  const lengthsAt = start + 8 * count;
  const numbers = async (at: number, length: number) => (await source.read(at, length)).slice().buffer;
  return {
    ...{ key: { path, size, mtimeMs, settings }, count, checksum, skipped, told },
    sizes: new Uint32Array(await numbers(hasSizes ? lengthsAt + 4 * count : lengthsAt, 4 * count)),
    place: async (i) => {
      const [offset] = new Float64Array(await numbers(start + 8 * i, 8));
      const [length] = new Uint32Array(await numbers(lengthsAt + 4 * i, 4));
      return { offset, length };
    },
  };
}

/** Reads the JSON in the first line of an index file, and the offset after this line. Returns null if it is invalid. */
async function headerOf(source: ByteSource): Promise<(Header & { start: number }) | null> {
  const most = 1 << 16;
  const bytes = await source.read(0, Math.min(most, source.size));
  const end = bytes.indexOf(10);
  try {
    return { ...JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))), start: end + 1 };
  } catch {
    return null;
  }
}

/** Returns the CRC-32 of a text as hexadecimal digits. */
export const hexDigest = (text: string): string => hexOf(crc32(new TextEncoder().encode(text)));

/** Returns a digest that identifies a tokenizer: of its chat template, and of the token ids for a sample text. */
export function digestOfTokenizer(tokenizer: ExampleTokenizer): string {
  const ids = tokenizer.encode("Streams of words, 1234567890: été, Übung, 日本語.\n\tA chat?");
  return hexDigest(JSON.stringify([ids, (tokenizer as { chatTemplate?: string | null }).chatTemplate ?? null]));
}
