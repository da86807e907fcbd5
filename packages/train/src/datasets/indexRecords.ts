import type { ByteSource } from "@lowrank/core";
import { crc32, hexOf } from "../data/crc32.ts";
import type { ExampleTokenizer } from "../data/tokens/tokenize.ts";
import type { DataRecord } from "./dataRecord.ts";
import { exampleOf, type RecordOptions } from "./readDataset.ts";
import type { RecordForm } from "./recordReader.ts";

/** Positions of the valid examples in a data file, the file's checksum, and the errors of skipped records. */
export interface RecordIndex {
  /** The offset of each example's first byte. */
  readonly offsets: Float64Array;
  /** The length of each example in bytes. */
  readonly lengths: Uint32Array;
  /**
   * The size of each example, as returned by the option `measure` of `indexRecords`. Null if this option was not set.
   */
  readonly sizes: Uint32Array | null;
  /** CRC-32 of the whole data file. */
  readonly checksum: number;
  /** The number of skipped records. */
  readonly skipped: number;
  /** The error messages for the first few skipped records. */
  readonly told: readonly string[];
}

/** Options of `indexRecords`. `form` defines the format of a record, and converts valid records to examples. */
export interface IndexOptions<Parsed> extends Pick<RecordOptions, "columns" | "onBadRecord"> {
  readonly form: RecordForm<Parsed>;
  /** Returns the size of an example, for example in tokens. May throw to reject the record. */
  measure?(example: Parsed): Promise<number>;
}

/** Maximum number of error messages about skipped records that an index stores. */
const mostTold = 3;

/** Reads a data file once and records where each valid example is. */
export async function indexRecords<Parsed>(
  records: (pieces: AsyncIterable<Uint8Array>) => AsyncIterable<DataRecord>,
  pieces: AsyncIterable<Uint8Array>,
  { columns, onBadRecord = "error", form, measure }: IndexOptions<Parsed>,
): Promise<RecordIndex> {
  let checksum = 0;
  async function* summed(): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      checksum = crc32(piece, checksum);
      yield piece;
    }
  }
  const [offsets, lengths, sizes] = [new Numbers(Float64Array), new Numbers(Uint32Array), new Numbers(Uint32Array)];
  const told: string[] = [];
  let skipped = 0;
  const skip = (message: string) => {
    skipped++;
    if (told.length < mostTold) told.push(message);
  };
  for await (const record of records(summed())) {
    const found = exampleOf(record, form.parse, { columns, onBadRecord });
    if ("skipped" in found) {
      skip(found.skipped);
      continue;
    }
    try {
      if (measure) sizes.push(await measure(found.example));
      const { offset, length } = record.span as NonNullable<DataRecord["span"]>;
      offsets.push(offset);
      lengths.push(length);
    } catch (error) {
      const message = `${record.where}: ${(error as Error).message}`;
      if (onBadRecord === "error") throw new Error(message, { cause: error });
      skip(message);
    }
  }
  const found = { offsets: offsets.values(), lengths: lengths.values(), sizes: measure ? sizes.values() : null };
  return { ...found, checksum, skipped, told };
}

/**
 * Reads the bytes of one example from a data file and parses them. The offset and length come from an index of the
 * file. If parsing fails, throws an error that the file has changed since it was indexed.
 */
export async function readIndexed<Parsed>(
  source: ByteSource,
  name: string,
  { offset, length }: { offset: number; length: number },
  parse: (bytes: Uint8Array) => unknown,
  { columns, form }: Pick<IndexOptions<Parsed>, "columns" | "form">,
): Promise<Parsed> {
  const where = `${name}, byte ${offset}`;
  try {
    const value = parse(await source.read(offset, length));
    const found = exampleOf({ value, where }, form.parse, { columns });
    if (!("skipped" in found)) return found.example;
    throw new Error(found.skipped);
  } catch (cause) {
    throw new Error(`${where}: the file has changed since it was indexed: ${(cause as Error).message}`, { cause });
  }
}

type NumberArray = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Typed array to which values can be appended. It grows as needed. */
class Numbers<A extends NumberArray> {
  readonly #make: new (
    length: number,
  ) => A;
  #room: A;
  #count = 0;

  constructor(make: new (length: number) => A) {
    this.#make = make;
    this.#room = new make(1024);
  }

  push(value: number): void {
    if (this.#count === this.#room.length) {
      const larger = new this.#make(2 * this.#count);
      larger.set(this.#room);
      this.#room = larger;
    }
    this.#room[this.#count++] = value;
  }

  values(): A {
    return this.#room.subarray(0, this.#count) as A;
  }
}

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

/** An index file on disk, which gives the position of each example in a data file. */
export interface OpenIndex extends Pick<RecordIndex, "checksum" | "skipped" | "told"> {
  readonly key: IndexKey;
  readonly count: number;
  /**
   * The size of each example, as returned by the option `measure` of `indexRecords`. If this option was not set: the
   * example's length in bytes.
   */
  readonly sizes: Uint32Array;
  /** Reads the position of example `number` in the data file: offset and length in bytes. */
  place(number: number): Promise<{ offset: number; length: number }>;
}

/**
 * Yields the contents of an index file: a line of JSON, then binary arrays. They contain each example's offset in the
 * data file, its length in bytes and, if the index has sizes, its size.
 */
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
