import { writeFolder } from "@lowrank/files";

/** Writes an adapter's files into a folder. A file of its own: pages, which seldom do, load it then. */
export async function writeAdapter(folder: string | URL, files: Parameters<typeof writeFolder>[1]): Promise<void> {
  await writeFolder(folder, files);
}
