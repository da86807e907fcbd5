import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes from a run's folder what processes left that died while they wrote: what is half-written
 * or moved away. Before a run, folders that end in ".part" stay: they may be whole checkpoints.
 */
export async function clearLeftovers(folder: string, when: "before" | "after"): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const [, kind] = /\.[0-9a-f]{8}\.(part|old)$/.exec(entry.name) ?? [];
    if (kind === undefined || (when === "before" && kind === "part" && entry.isDirectory())) continue;
    await rm(join(folder, entry.name), { recursive: true, force: true });
  }
}
