import type { ByteSource } from "@lowrank/core";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { DataRecord } from "./dataRecord.ts";

/** The rows of a Parquet file as records, a group of rows at a time. */
export async function* parquetRecords(source: ByteSource, name: string): AsyncGenerator<DataRecord> {
  const file = {
    byteLength: source.size,
    slice: async (start: number, end: number = source.size) => {
      const { buffer, byteOffset, byteLength } = await source.read(start, end - start);
      return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    },
  };
  const metadata = await parquetMetadataAsync(file).catch((error: Error) => {
    throw new Error(`${name} is no Parquet file: ${error.message}`, { cause: error });
  });
  let start = 0;
  for (const { num_rows } of metadata.row_groups) {
    const end = start + Number(num_rows);
    const rows = await parquetReadObjects({ file, metadata, compressors, rowStart: start, rowEnd: end });
    for (const [i, row] of rows.entries()) yield { value: plain(row), where: `${name}: row ${start + i + 1}` };
    start = end;
  }
}

/** A value as JSON has it: 64-bit integers become numbers, or text where these are too small. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
