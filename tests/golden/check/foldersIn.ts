import type { ModelFiles } from "@lowrank/files";

/** Returns the names of the folders in a folder, in order; an empty list if the folder does not exist. */
export async function foldersIn(files: ModelFiles, folder: string): Promise<string[]> {
  if (!files.list) throw new Error(`${files.label}: the golden data need a place that lists its files`);
  return (await files.list(folder))
    .filter((name) => name.endsWith("/"))
    .map((name) => name.slice(0, -1))
    .sort();
}
