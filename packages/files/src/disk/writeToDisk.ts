import type { FileContent } from "../interface/modelFiles.ts";
import { fullDisk } from "./fullDisk.ts";
import type { NodeModules } from "./nodeModules.ts";

/**
 * Writes a new file and brings it to the disk. Where the disk is full, the error names the place
 * and the bytes.
 */
export async function writeToDisk(path: string, content: FileContent, { fs }: NodeModules): Promise<void> {
  const handle = await fs.open(path, "wx");
  try {
    await handle.writeFile(content);
    await handle.sync();
  } catch (error) {
    throw fullDisk(error, path, content);
  } finally {
    await handle.close();
  }
}

/** Brings the names in a folder to the disk, on systems that let folders be opened. */
export async function syncNames(folder: string, { fs }: NodeModules): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await fs.open(folder, "r");
  await handle.sync().finally(() => handle.close());
}
