import type { ByteSource } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { type ModelFiles, openFile } from "@lowrank/files";
import type { Example } from "../data/tokens/example.ts";
import { piecesOf } from "./byteLines.ts";
import type { DataRecord } from "./dataRecord.ts";
import {
  examplesOf,
  type ParsedRecord,
  parsedRecords,
  type ReadDatasetOptions,
  readDataset,
  readDatasetKeys,
  recordsIn,
} from "./readDataset.ts";
import type { RecordForm } from "./recordReader.ts";

/** Options of `loadDataset`. */
export interface LoadDatasetOptions extends ReadDatasetOptions {
  /** If set, the path is the name of a file in `files`. Default: the path is an http(s) address, or a path on disk. */
  files?: ModelFiles;
}

/**
 * Reads the examples of a data file: a name in `files`, an http(s) address, or a path (Node only). Options and formats
 * are the same as for `readDataset`; Parquet files, recognised by their extension, are also read.
 */
export async function loadDataset(path: string, given: LoadDatasetOptions = {}): Promise<Example[]> {
  checkOptions("loadDataset", given, loadKeys);
  const { files, ...options } = given;
  const named = { name: path, ...options };
  const source = await sourceOf(path, files);
  if (isParquet(named)) return Array.fromAsync(examplesOf(await parquet(source, named.name), named));
  return Array.fromAsync(readDataset(piecesOf(source), named));
}

const loadKeys: OptionKeys<LoadDatasetOptions> = { ...readDatasetKeys, files: true };

/**
 * Yields the records of a data file one by one, with their positions. `form` validates each record and converts it to
 * an example. The file is a name in `files`, an http(s) address, or a path (Node only). Errors contain file and line.
 */
export async function* readRecords<Parsed>(
  path: string,
  form: RecordForm<Parsed>,
  given: LoadDatasetOptions = {},
): AsyncGenerator<ParsedRecord<Parsed>> {
  checkOptions("readRecords", given, loadKeys);
  const { files, ...options } = given;
  const named = { name: path, ...options };
  const source = await sourceOf(path, files);
  const records = isParquet(named) ? await parquet(source, named.name) : await recordsIn(piecesOf(source), named);
  yield* parsedRecords(records, form.parse, named);
}

const isParquet = ({ name, format }: { name: string; format?: unknown }): boolean =>
  /\.parquet$/i.test(name) && format === undefined;

async function parquet(source: ByteSource, name: string): Promise<AsyncIterable<DataRecord>> {
  return (await import("./parquet/parquetRecords.ts")).parquetRecords(source, name);
}

async function sourceOf(path: string, files: ModelFiles | undefined): Promise<ByteSource> {
  if (files) return files.open(path);
  // Uses `getBuiltinModule`, since bundlers for browsers cannot resolve an import of "node:fs".
  if (/^https?:/i.test(path) || globalThis.process?.getBuiltinModule?.("node:fs")) return openFile(path);
  throw new Error(
    `loadDataset("${path}") reads from disk, which needs Node; in a browser give an http(s) address, or the option files, such as { files: opfsFiles("data") }`,
  );
}
