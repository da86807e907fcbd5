import type { ByteSource } from "@lowrank/core";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import type { DataRecord } from "../dataRecord.ts";
import { type ColumnChunk, columnChunks } from "./parquetColumns.ts";
import { checkRuns, compressors, mostValues } from "./parquetRuns.ts";

/** Yields one record for each row of a Parquet file. Reads one row group at a time. */
export async function* parquetRecords(source: ByteSource, name: string): AsyncGenerator<DataRecord> {
  let chunks: readonly ColumnChunk[] = [];
  const bytesOf = async (start: number, end: number) => {
    if (!(start >= 0 && start <= end && end <= source.size)) {
      throw new Error(`it refers to bytes ${start} to ${end}, but the file has ${source.size} bytes`);
    }
    const { buffer, byteOffset, byteLength } = await source.read(start, end - start);
    const bytes = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    const whole = chunks.filter((chunk) => chunk.start >= start && chunk.start + chunk.length <= end);
    for (const chunk of whole) checkPages(bytes, chunk.start - start, chunk);
    return bytes;
  };
  const file = {
    byteLength: source.size,
    slice: (start: number, end: number = source.size) => {
      const bytes = bytesOf(start, end);
      // Marks rejections as handled: the library reads several parts in parallel and ignores the others once one fails.
      bytes.catch(() => {});
      return bytes;
    },
  };
  const damaged = (error: unknown): never => {
    throw new Error(`${name} is no Parquet file, or damaged: ${reasonOf(error)}`, { cause: error });
  };
  const metadata = await parquetMetadataAsync(file).catch(damaged);
  try {
    chunks = columnChunks(metadata, source.size);
  } catch (error) {
    damaged(error);
  }
  let start = 0;
  for (const { num_rows } of metadata.row_groups) {
    const end = start + Number(num_rows);
    const range = { rowStart: start, rowEnd: end };
    const rows = await parquetReadObjects({ file, metadata, compressors, ...range }).catch(damaged);
    for (const [i, row] of rows.entries()) yield { value: plain(row), where: `${name}: row ${start + i + 1}` };
    start = end;
  }
}

/**
 * Returns the reason why reading a file failed, for an error message. Replaces the message of a TypeError or
 * RangeError, since it describes the Parquet library's code and not the file.
 */
function reasonOf(error: unknown): string {
  const isNative = error instanceof TypeError || error instanceof RangeError;
  return isNative ? "its counts contradict each other" : (error as Error).message;
}

/**
 * Converts a value to types that JSON has: 64-bit integers become numbers, or strings if they are too large for that.
 */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/**
 * Checks a column's pages, which start at offset `at` in `bytes`. Throws unless they end within the column and contain
 * as many values in total as the metadata states. Without this check, the Parquet library would allocate memory for any
 * number of values that a damaged page states.
 */
export function checkPages(bytes: ArrayBuffer, at: number, column: ColumnChunk): void {
  const { path, length, values } = column;
  const reader = { view: new DataView(bytes, at, length), offset: 0 };
  let found = 0;
  while (found < values && reader.offset < length - 1) {
    const page = parquetHeader(reader);
    const data = page.data_page_header ?? page.data_page_header_v2;
    // The count has type `unknown`, since fields of a damaged header may be lists, structures or bigints.
    const count: unknown = (data ?? page.dictionary_page_header)?.num_values ?? 0;
    if (typeof count !== "number" || !(count >= 0 && count <= mostValues)) {
      const said = typeof count === "number" ? `${count} values` : "an invalid number of values";
      throw new Error(`a page header of column ${path} states ${said}; at most ${mostValues} are supported`);
    }
    if (data) found += count;
    const size: unknown = page.compressed_page_size;
    const end = reader.offset + (typeof size === "number" && size >= 0 ? size : Number.NaN);
    if (!(end <= length)) {
      throw new Error(`a page of column ${path} ends after the column's ${length} bytes`);
    }
    checkRuns(new Uint8Array(bytes, at + reader.offset, end - reader.offset), page, column);
    reader.offset = end;
  }
  if (found !== values)
    throw new Error(`the pages of column ${path} have ${found} values, but the footer states ${values}`);
}
