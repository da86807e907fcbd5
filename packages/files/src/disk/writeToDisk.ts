import type { FileContent } from "../interface/modelFiles.ts";
import { fullDisk } from "./fullDisk.ts";
import { type NodeModules, nodeModules, undefinedIfMissing } from "./nodeModules.ts";

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

/**
 * Creates a folder on disk (Node only), and its missing parents. Returns the outermost created folder; undefined if the
 * folder existed. If it fails, the error has the code of the actual cause. For example, the code is EROFS on a
 * read-only disk, although Node reports ENOENT for it.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  const { fs, path: paths } = nodeModules(path);
  try {
    return await fs.mkdir(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // Creating only the outermost missing folder fails with the error of the actual cause.
    let missing = paths.resolve(path);
    for (;;) {
      const around = paths.dirname(missing);
      if (around === missing || (await fs.stat(around).catch(undefinedIfMissing))) break;
      missing = around;
    }
    await fs.mkdir(missing);
    return (await fs.mkdir(path, { recursive: true })) ?? missing;
  }
}
