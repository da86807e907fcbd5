import { type ByteSource, checkOptions } from "@lowrank/core";
import { type ModelFiles, openFile } from "@lowrank/files";
import type { Example } from "./example.ts";
import { piecesOf } from "./piecesOf.ts";
import { examplesOf, type ReadDatasetOptions, readDataset, readDatasetKeys } from "./readDataset.ts";

/** Options of `loadDataset`. */
export interface LoadDatasetOptions extends ReadDatasetOptions {
  /** The files among which the data file is. */
  files?: ModelFiles;
}

/**
 * Reads a data file: by its name in `files`, by its http(s) address, or by its path (Node only);
 * see `readDataset`. Parquet files are known by their ending.
 */
export async function loadDataset(path: string, given: LoadDatasetOptions = {}): Promise<Example[]> {
  checkOptions("loadDataset", given, { ...readDatasetKeys, files: true });
  const { files, ...options } = given;
  const named = { name: path, ...options };
  const source = await sourceOf(path, files);
  if (/\.parquet$/i.test(named.name) && named.format === undefined) {
    const { parquetRecords } = await import("./parquetRecords.ts");
    return Array.fromAsync(examplesOf(parquetRecords(source, named.name), named));
  }
  return Array.fromAsync(readDataset(piecesOf(source), named));
}

async function sourceOf(path: string, files: ModelFiles | undefined): Promise<ByteSource> {
  if (files) return files.open(path);
  if (/^https?:/i.test(path)) return openFile(path);
  // Not an import, which stops a bundler for browsers.
  const fs = globalThis.process?.getBuiltinModule?.("node:fs");
  if (fs) return openFile(path);
  throw new Error(
    `loadDataset("${path}") reads from disk, which only Node can; give an http(s) address, or the files that hold it: { files: opfsFiles("data") }`,
  );
}
