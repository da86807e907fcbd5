import type { DataReader, PageHeader } from "hyparquet";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { readVarInt } from "hyparquet/src/thrift.js";
import type { ColumnChunk } from "./parquetColumns.ts";
import { compressors, mostPageBytes } from "./parquetCompressors.ts";

/** The most values of one page; writers make pages of 20,000 rows, or of 1 MB. */
export const mostValues: number = 2 ** 23;

/**
 * Throws unless the runs of a page of data hold at most the values that its header says, which the
 * library fills in as they come: a run of eight bytes may claim two thousand million. `packed` is
 * what follows the page's header.
 *
 * Source: apache/parquet-format, Encodings.md ("RLE / Bit-Packing Hybrid") and README.md ("Data
 * Pages").
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
      throw new Error(`a page of ${values} values says that it has ${nulls} empty ones and ${levels} bytes of levels`);
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

/** The bytes of the runs that follow, where they say it themselves. */
function lengthOf(reader: DataReader): number {
  const length = reader.view.getUint32(reader.offset, true);
  reader.offset += 4;
  return length;
}

/** Goes over `values` levels, and counts those that are `level`: those of values that exist. */
function countAt(reader: DataReader, level: number, values: number): number {
  const start = reader.offset;
  walk(reader, bitWidth(level), values, lengthOf(reader));
  const levels = new Uint8Array(values);
  readRleBitPackedHybrid({ view: reader.view, offset: start }, bitWidth(level), levels);
  return levels.reduce((count, one) => count + (one === level ? 1 : 0), 0);
}

/** Throws where the runs or the lengths of `values` values make more than can be. */
function checkValues(reader: DataReader, encoding: string, values: number, { type }: ColumnChunk): void {
  const isNumbered = encoding.endsWith("_DICTIONARY");
  if (encoding === "DELTA_BYTE_ARRAY") checkTexts(reader, values);
  else if (isNumbered && type !== "BOOLEAN") checkNumbers(reader, values);
  else if (encoding === "RLE" && type === "BOOLEAN") walk(reader, 1, values, lengthOf(reader));
  else if (isNumbered || encoding === "RLE") {
    throw new Error(`a page has values of type ${type} encoded as ${encoding}`);
  }
}

/** Throws unless runs of places in a dictionary hold `values`; the bits of a place come first. */
function checkNumbers(reader: DataReader, values: number): void {
  if (values === 0) return;
  const width = reader.view.getUint8(reader.offset++);
  if (width > 32) throw new Error(`a page has numbers of ${width} bits; at most 32 are read`);
  const length = reader.view.byteLength - reader.offset;
  if (length > 0) walk(reader, width, values, length);
}

/** Goes over `length` bytes, which are runs of `values` numbers of `width` bits each. */
function walk(reader: DataReader, width: number, values: number, length: number): void {
  const end = reader.offset + length;
  for (let left = values; left > 0; ) {
    const run = readVarInt(reader);
    const isPacked = (run & 1) === 1;
    // Numbers of a packed run come by eight; the last of them may be more than there are.
    const count = (run >>> 1) * (isPacked ? 8 : 1);
    if (count > (isPacked ? mostValues : left)) {
      throw new Error(`a page has a run of ${count} values where ${left} are left`);
    }
    left -= count;
    reader.offset += isPacked ? Math.max(1, (width * count) / 8) : Math.ceil(width / 8);
  }
  reader.offset = end;
}

/** Texts that begin as the one before did may be far longer together than the page. */
function checkTexts(reader: DataReader, values: number): void {
  const nextLengths = () => {
    const found = new Int32Array(values);
    deltaBinaryUnpack(reader, values, found);
    return found.reduce((sum, length) => sum + length, 0);
  };
  const shared = nextLengths();
  const own = nextLengths();
  const most = mostPageBytes;
  if (shared + own > most) throw new Error(`a page has texts of ${shared + own} bytes; at most ${most} are read`);
}
