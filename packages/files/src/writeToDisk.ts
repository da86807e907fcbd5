import type { FileContent } from "./modelFiles.ts";
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

/** The error of a disk without room, with the place and its bytes; other errors as they are. */
function fullDisk(error: unknown, path: string, content: FileContent): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  const bytes = typeof content === "string" || content instanceof Uint8Array ? ` for its ${content.length} bytes` : "";
  return new Error(`${path}: no space is left on the disk${bytes}; make room, or give another folder`, {
    cause: error,
  });
}
