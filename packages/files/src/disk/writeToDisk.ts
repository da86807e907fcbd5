import type { FileContent } from "../interface/modelFiles.ts";
import { fullDisk } from "./fullDisk.ts";
import type { NodeModules } from "./nodeModules.ts";

/** Writes a new file and flushes it to the disk. If the disk is full, the error names the path and the bytes. */
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

/** Flushes a folder's entries to the disk. Does nothing on Windows, which cannot open folders. */
export async function syncNames(folder: string, { fs }: NodeModules): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await fs.open(folder, "r");
  await handle.sync().finally(() => handle.close());
}
