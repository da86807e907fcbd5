import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseTemporaryName } from "@lowrank/files/internal/disk";
import { isWholeCheckpoint } from "@lowrank/train/internal";

/** Files that mark a folder as complete. They are written last, in this order. */
const seals: readonly string[] = ["config.json", "adapter_config.json"];

/** Temporary file or folder of a process that died while writing it. */
interface Leftover {
  readonly path: string;
  /** Name that the file or folder would have when complete. */
  readonly name: string;
  readonly id: string;
  readonly kind: string;
  readonly isFolder: boolean;
}

/**
 * Cleans up a run's folder after a process died while writing there. Complete checkpoints get their final names. New
 * results also get their final names if the process had begun to rename older results, since the new files are complete
 * by then. All other temporary files are removed.
 */
export async function clearLeftovers(folder: string): Promise<void> {
  const found = (await readdir(folder, { withFileTypes: true })).flatMap((entry): Leftover[] => {
    const temporary = parseTemporaryName(entry.name);
    return temporary ? [{ ...temporary, path: join(folder, entry.name), isFolder: entry.isDirectory() }] : [];
  });
  // Old files are moved away only after all new files are on the disk.
  const whole = new Set(found.flatMap(({ kind, isFolder, id }) => (kind === "old" && !isFolder ? [id] : [])));
  const rank = ({ name }: Leftover) => seals.indexOf(name);
  for (const { path, name, id, kind, isFolder } of found.toSorted((a, b) => rank(a) - rank(b))) {
    const isWhole = kind === "part" && (isFolder ? await isWholeCheckpoint(path) : whole.has(id));
    if (!isWhole) continue;
    await rm(join(folder, name), { recursive: true, force: true });
    await rename(path, join(folder, name));
  }
  for (const { path } of found) await rm(path, { recursive: true, force: true });
}
