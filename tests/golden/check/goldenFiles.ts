import { folderFiles, type ModelFiles, urlFiles } from "@lowrank/files";
import type { Check } from "./compare.ts";

/** Returns the repository's golden data: a folder in Node, a path on the test server in a browser. */
export async function goldenFiles(): Promise<ModelFiles> {
  const here = import.meta.url;
  if (here.startsWith("file:")) return folderFiles(new URL("../../../golden/", here));
  return urlFiles(new URL("/golden/", here));
}

/** Returns the names of the folders in a folder, in order; an empty list if the folder does not exist. */
export async function foldersIn(files: ModelFiles, folder: string): Promise<string[]> {
  if (!files.list) throw new Error(`${files.label}: the golden data need a place that lists its files`);
  return (await files.list(folder))
    .filter((name) => name.endsWith("/"))
    .map((name) => name.slice(0, -1))
    .sort();
}

/** A part of the golden data that is checked separately: an op, a model, an adapter. */
export interface GoldenPart {
  /** Its path, as for `--only`: "models/llama". */
  readonly name: string;
  checks(): AsyncIterable<Check>;
}
