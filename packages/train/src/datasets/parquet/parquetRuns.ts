import type { Compressors, DataReader, PageHeader } from "hyparquet";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { readVarInt } from "hyparquet/src/thrift.js";
import { compressors as all } from "hyparquet-compressors";
import type { ColumnChunk } from "./parquetColumns.ts";

/** Maximum number of values in a page, to reject damaged files. Writers make pages of 20,000 rows or 1 MB. */
export const mostValues: number = 2 ** 23;

/**
 * Throws if the run lengths in a data page add up to more values than the page's header states. The Parquet library
 * does not check this, and a run of eight bytes can state two billion values. `packed` is the page's data after the
 * header.
 *
 * Source: apache/parquet-format, Encodings.md ("RLE / Bit-Packing Hybrid") and README.md ("Data Pages").
 */
export function checkRuns(packed: Uint8Array, header: PageHeader, column: ColumnChunk): void {
  const { data_page_header: first, data_page_header_v2: second, uncompressed_page_size } = header;
  const { codec, maxLevels } = column;
  if (first) {
    const reader = readerOf(decompressPage(packed, Number(uncompressed_page_size), codec, compressors));
    const [repetition, definition] = maxLevels;
    if (repetition > 0) walk(reader, bitWidth(repetition), first.num_values, lengthOf(reader));
    const values = definition > 0 ? countAt(reader, definition, first.num_values) : first.num_values;
    checkValues(reader, first.encoding, values, column);
  } else if (second) {
    const { num_values: values, num_nulls: nulls, encoding, is_compressed } = second;
    const lengths = [second.repetition_levels_byte_length, second.definition_levels_byte_length];
    const [repetition = 0, definition = 0] = lengths;
    const levels = repetition + definition;
    if (!(repetition >= 0 && definition >= 0 && levels <= packed.length && nulls >= 0 && nulls <= values)) {
      throw new Error(
        `the header of a page of ${values} values states ${nulls} nulls and ${levels} bytes of levels, which is impossible`,
      );
    }
    const reader = readerOf(packed);
    for (const [i, level] of maxLevels.entries()) {
      if (level > 0) walk(reader, bitWidth(level), values, [repetition, definition][i]);
      reader.offset = repetition;
    }
    const length = Number(uncompressed_page_size) - levels;
    const rest = packed.subarray(levels);
    const bytes = is_compressed && length > 0 ? decompressPage(rest, length, codec, compressors) : rest;
    checkValues(readerOf(bytes), encoding, values - nulls, column);
  }
}

const readerOf = (bytes: Uint8Array): DataReader => ({
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  offset: 0,
});

const bitWidth = (level: number) => 32 - Math.clz32(level);

/** Reads the length in bytes of a sequence of runs. The length is stored in the 4 bytes before the sequence. */
function lengthOf(reader: DataReader): number {
  const length = reader.view.getUint32(reader.offset, true);
  reader.offset += 4;
  return length;
}

/**
 * Reads one definition level for each of `values` values. Returns how many of them equal `level`, which is the number
 * of values that are not null.
 */
function countAt(reader: DataReader, level: number, values: number): number {
  const start = reader.offset;
  walk(reader, bitWidth(level), values, lengthOf(reader));
  const levels = new Uint8Array(values);
  readRleBitPackedHybrid({ view: reader.view, offset: start }, bitWidth(level), levels);
  return levels.reduce((count, one) => count + (one === level ? 1 : 0), 0);
}

/** Throws if a page states run lengths or string lengths that are impossible for `values` values. */
function checkValues(reader: DataReader, encoding: string, values: number, { type }: ColumnChunk): void {
  const isNumbered = encoding.endsWith("_DICTIONARY");
  if (encoding === "DELTA_BYTE_ARRAY") checkTexts(reader, values);
  else if (isNumbered && type !== "BOOLEAN") checkNumbers(reader, values);
  else if (encoding === "RLE" && type === "BOOLEAN") walk(reader, 1, values, lengthOf(reader));
  else if (isNumbered || encoding === "RLE") {
    throw new Error(`a page has values of type ${type} with the encoding ${encoding}, which is not supported`);
  }
}

/**
 * Throws unless the runs of a page contain `values` dictionary indices. The byte before the runs is the number of bits
 * of an index.
 */
function checkNumbers(reader: DataReader, values: number): void {
  if (values === 0) return;
  const width = reader.view.getUint8(reader.offset++);
  if (width > 32) throw new Error(`a page has dictionary indices of ${width} bits; at most 32 are supported`);
  const length = reader.view.byteLength - reader.offset;
  if (length > 0) walk(reader, width, values, length);
}

/**
 * Skips a sequence of runs of `length` bytes in total, which contain `values` values of `width` bits each. Throws if a
 * run states more values than are possible.
 */
function walk(reader: DataReader, width: number, values: number, length: number): void {
  const end = reader.offset + length;
  for (let left = values; left > 0; ) {
    const run = readVarInt(reader);
    const isPacked = (run & 1) === 1;
    // A bit-packed run contains groups of eight values, of which the last may be partly unused.
    const count = (run >>> 1) * (isPacked ? 8 : 1);
    if (count > (isPacked ? mostValues : left)) {
      throw new Error(`a page has a run of ${count} values, but only ${left} values are left`);
    }
    left -= count;
    reader.offset += isPacked ? Math.max(1, (width * count) / 8) : Math.ceil(width / 8);
  }
  reader.offset = end;
}

/**
 * Throws if delta-encoded strings are longer in total than `mostPageBytes`. Such strings share prefixes, so they may be
 * much longer when decoded than the page.
 */
function checkTexts(reader: DataReader, values: number): void {
  const nextLengths = () => {
    const found = new Int32Array(values);
    deltaBinaryUnpack(reader, values, found);
    return found.reduce((sum, length) => sum + length, 0);
  };
  const shared = nextLengths();
  const own = nextLengths();
  const most = mostPageBytes;
  if (shared + own > most)
    throw new Error(`a page has strings of ${shared + own} bytes; at most ${most} are supported`);
}

/** Maximum size of an uncompressed page in bytes, to reject damaged files. Writers make pages of about 1 MB. */
export const mostPageBytes: number = 2 ** 27;

/** The Parquet library's decompressors, with `mostPageBytes` as the limit for a page. */
export const compressors: Compressors = Object.fromEntries(
  Object.entries(all).map(([codec, decompress]) => [
    codec,
    (packed: Uint8Array, length: number) => {
      // The library's LZ4 fails for empty blocks, which occur in columns whose values are all empty.
      if (length === 0) return new Uint8Array(0);
      if (length > mostPageBytes)
        throw new Error(`a page header states ${length} bytes; at most ${mostPageBytes} are supported`);
      return decompress(packed, length);
    },
  ]),
);
