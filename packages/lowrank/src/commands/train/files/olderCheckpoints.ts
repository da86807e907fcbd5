import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeFolder } from "@lowrank/files/internal";
import { metricsName } from "./metricsLog.ts";

/**
 * Removes checkpoints of an older run from a run's folder: checkpoints whose measurements are not the beginning of this
 * run's. Returns their names.
 */
export async function removeOlderCheckpoints(folder: string, metrics: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(folder)) {
    if (!/^checkpoint-\d+$/.test(name)) continue;
    const own = await readFile(join(folder, name, metricsName), "utf8").catch(() => null);
    if (own !== null && metrics.startsWith(own)) continue;
    await removeFolder(folder, name);
    removed.push(name);
  }
  return removed;
}
