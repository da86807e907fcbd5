import { type ByteSource, checkOptions } from "@lowrank/core";
import { type ModelFiles, openFile } from "@lowrank/files";
import type { Example } from "./example.ts";
import { type ReadDatasetOptions, readDataset, readDatasetKeys } from "./readDataset.ts";

/** Options of `loadDataset`. */
export interface LoadDatasetOptions extends ReadDatasetOptions {
  /** The files among which the data file is. */
  files?: ModelFiles;
}

/**
 * Reads a data file: by its name in `files`, by its http(s) address, or by its path (Node only);
 * see `readDataset`.
 */
export async function loadDataset(path: string, given: LoadDatasetOptions = {}): Promise<Example[]> {
  checkOptions("loadDataset", given, { ...readDatasetKeys, files: true });
  const { files, ...options } = given;
  return Array.fromAsync(readDataset(await textOf(path, files), { name: path, ...options }));
}

async function textOf(path: string, files: ModelFiles | undefined): Promise<AsyncIterable<string>> {
  if (files) return decoded(await files.open(path));
  if (/^https?:/i.test(path)) return decoded(await openFile(path));
  // Not an import, which stops a bundler for browsers.
  const fs = globalThis.process?.getBuiltinModule?.("node:fs");
  if (fs) return fs.createReadStream(path, { encoding: "utf8" });
  throw new Error(
    `loadDataset("${path}") reads from disk, which only Node can; give an http(s) address, or the files that hold it: { files: opfsFiles("data") }`,
  );
}

/** The text of a file, piece by piece. */
async function* decoded(source: ByteSource): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const length = 1 << 20;
  for (let at = 0; at < source.size; at += length) {
    const stream = at + length < source.size;
    yield decoder.decode(await source.read(at, Math.min(length, source.size - at)), { stream });
  }
}
