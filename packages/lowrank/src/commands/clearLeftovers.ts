import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isWholeCheckpoint } from "@lowrank/train";

/**
 * Ends in a run's folder what processes began that died while they wrote. A checkpoint that is
 * whole gets its name; what is half-written or was moved away is removed.
 */
export async function clearLeftovers(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const [, name, kind] = /^(.*)\.[0-9a-f]{8}\.(part|old)$/.exec(entry.name) ?? [];
    if (name === undefined) continue;
    const path = join(folder, entry.name);
    if (kind === "part" && entry.isDirectory() && (await isWholeCheckpoint(path))) {
      await rm(join(folder, name), { recursive: true, force: true });
      await rename(path, join(folder, name));
    } else {
      await rm(path, { recursive: true, force: true });
    }
  }
}
