import { realpath, stat, writeFile as writeTo } from "node:fs/promises";
import { fullDisk, writeFile } from "@lowrank/files/internal";

/**
 * Writes a report or a table to a file. The old file is replaced when the new one is complete. Devices and pipes
 * (/dev/stdout, /dev/null) are written to directly. Errors name the file.
 */
export async function writeText(path: string, text: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found && !found.isFile() && !found.isDirectory()) {
    return writeTo(path, text).catch((error) => {
      throw fullDisk(error, path, text);
    });
  }
  if (found?.isDirectory()) throw new Error(`${path} is a folder; give a file`);
  // A symbolic link stays; the file that it points to is replaced.
  await writeFile(await realpath(path).catch(() => path), text);
}
