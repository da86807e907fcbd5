import type { ByteSource } from "@lowrank/core";
import { openFile } from "@lowrank/files";
import { piecesOf } from "./byteLines.ts";
import { type DataRecord, parseJsonBytes } from "./dataRecord.ts";
import { jsonArray, jsonLines } from "./jsonRecords.ts";
import type { RecordForm } from "./recordReader.ts";
import type { IndexDatasetOptions } from "./streamDataset.ts";

/** A data file whose records can be read one at a time, by their positions. */
export interface RecordFile {
  readonly source: ByteSource;
  /** The file's name in error messages. */
  readonly name: string;
  readonly format: string;
  /** Yields all records of the file, with their positions, from its bytes in chunks. */
  records(pieces: AsyncIterable<Uint8Array>): AsyncIterable<DataRecord>;
  /** Parses the bytes of one record to its value. */
  parse(bytes: Uint8Array): unknown;
}

const byEnding: Readonly<Record<string, NonNullable<IndexDatasetOptions["format"]>>> = {
  ...{ jsonl: "jsonl", ndjson: "jsonl", json: "json", csv: "csv", tsv: "tsv", parquet: "parquet" },
};

/** Opens a data file whose records can be read one at a time. Throws for an unsupported format. */
export async function openRecords(
  path: string,
  options: IndexDatasetOptions,
  form: RecordForm<unknown>,
): Promise<RecordFile> {
  const format = options.format ?? byEnding[path.split(".").at(-1)?.toLowerCase() ?? ""];
  if (format === undefined) {
    throw new Error(
      `${path}: the file extension names no supported format; give the option format, one of ${Object.values(byEnding).join(", ")}`,
    );
  }
  if (format === "parquet") {
    const { openParquetRecords } = await import("./parquet/storeParquet.ts");
    return openParquetRecords(path, options, form);
  }
  const source = await openFile(path);
  if (format === "jsonl" || format === "json") {
    const read = format === "json" ? jsonArray : jsonLines;
    return { source, name: path, format, parse: parseJsonBytes, records: (pieces) => read(pieces, path) };
  }
  const { tableReader, tableRecords } = await import("./tableRecords.ts");
  const delimiter = format === "tsv" ? "\t" : ",";
  const parse = await tableReader(piecesOf(source), path, delimiter);
  return { source, name: path, format, parse, records: (pieces) => tableRecords(pieces, path, delimiter) };
}
