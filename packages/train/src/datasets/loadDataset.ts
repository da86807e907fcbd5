import { checkOptions } from "@lowrank/core";
import type { Example } from "./example.ts";
import { type ReadDatasetOptions, readDataset, readDatasetKeys } from "./readDataset.ts";

/** Reads a data file from disk (Node only); see `readDataset`. */
export async function loadDataset(path: string, options: ReadDatasetOptions = {}): Promise<Example[]> {
  checkOptions("loadDataset", options, readDatasetKeys);
  // Not an import, which stops a bundler for browsers.
  const fs = globalThis.process?.getBuiltinModule?.("node:fs");
  if (!fs) throw new Error(`loadDataset("${path}") reads from disk, which only Node can; fetch it and use readDataset`);
  const stream = fs.createReadStream(path, { encoding: "utf8" });
  return Array.fromAsync(readDataset(stream, { name: path, ...options }));
}
