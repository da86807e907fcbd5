import type { Example } from "./example.ts";
import { type ReadDatasetOptions, readDataset } from "./readDataset.ts";

/** Reads a data file from disk (Node only); see `readDataset`. */
export async function loadDataset(path: string, options: ReadDatasetOptions = {}): Promise<Example[]> {
  const { createReadStream } = await import("node:fs");
  const stream = createReadStream(path, { encoding: "utf8" });
  return Array.fromAsync(readDataset(stream, { name: path, ...options }));
}
