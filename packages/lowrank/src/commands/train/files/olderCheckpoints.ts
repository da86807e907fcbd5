import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeFolder } from "@lowrank/files/internal";
import { metricsName } from "./metricsLog.ts";

/**
 * Removes an older run's checkpoints from a run's folder and returns their names. A checkpoint is older if its
 * measurements are not the beginning of this run's measurements.
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
