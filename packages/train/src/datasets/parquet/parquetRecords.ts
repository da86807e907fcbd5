import type { ByteSource } from "@lowrank/core";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import type { DataRecord } from "../dataRecord.ts";
import { type ColumnChunk, columnChunks } from "./parquetColumns.ts";
import { compressors } from "./parquetCompressors.ts";
import { checkPages } from "./parquetPages.ts";

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
 * Returns why reading a file failed, for a message. A TypeError or RangeError describes only the library's code, so it
 * is replaced.
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
