import { type WritablePlace, writeFiles } from "@lowrank/files";

/** Writes an adapter's files to a place. A file of its own, which pages load when they save. */
export async function writeAdapter(place: WritablePlace, files: Parameters<typeof writeFiles>[1]): Promise<void> {
  await writeFiles(place, files);
}
