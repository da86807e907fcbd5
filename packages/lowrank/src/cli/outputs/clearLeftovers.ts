import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseTemporaryName } from "@lowrank/files/disk";
import { isWholeCheckpoint } from "@lowrank/train";

/** Files by which others take a folder for a whole one: the last ones to appear, in this order. */
const seals: readonly string[] = ["config.json", "adapter_config.json"];

/** A file or folder that a process left which died while it wrote. */
interface Leftover {
  readonly path: string;
  /** The place that it was written for, or moved away from. */
  readonly name: string;
  readonly id: string;
  readonly kind: string;
  readonly isFolder: boolean;
}

/**
 * Ends in a run's folder what processes began that died while they wrote. A checkpoint that is
 * whole gets its name. Results that were about to replace older ones, and so are whole, do. What is
 * half-written or was moved away is removed.
 */
export async function clearLeftovers(folder: string): Promise<void> {
  const found = (await readdir(folder, { withFileTypes: true })).flatMap((entry): Leftover[] => {
    const temporary = parseTemporaryName(entry.name);
    return temporary ? [{ ...temporary, path: join(folder, entry.name), isFolder: entry.isDirectory() }] : [];
  });
  // Files are moved away only when all that replace them are on the disk.
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
