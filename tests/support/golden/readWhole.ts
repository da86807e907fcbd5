import type { ModelFiles } from "@lowrank/files";

/** Returns all bytes of a file. */
export async function readWhole(files: ModelFiles, name: string): Promise<Uint8Array> {
  const source = await files.open(name);
  return source.read(0, source.size);
}
