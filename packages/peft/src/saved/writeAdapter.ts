import type { WritablePlace } from "@lowrank/files";
import { writeFiles } from "@lowrank/files/internal";

/**
 * Writes an adapter's files to a folder. The function is in a separate file, so that web pages load it only when they
 * save.
 */
export async function writeAdapter(place: WritablePlace, files: Parameters<typeof writeFiles>[1]): Promise<void> {
  await writeFiles(place, files);
}
