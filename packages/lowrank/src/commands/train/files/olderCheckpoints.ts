import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeFolder } from "@lowrank/files/internal";
import { metricsName } from "./metricsLog.ts";

/**
 * Removes the checkpoints of older runs from a run's folder, and returns their names. `metrics` is the text of this
 * run's metrics.jsonl. A checkpoint belongs to an older run if `metrics` does not begin with the metrics.jsonl in the
 * checkpoint.
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
