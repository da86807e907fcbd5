import { openFiles, type WritablePlace } from "@lowrank/files";
import { removeFolder } from "@lowrank/files/internal";

/**
 * Deletes the oldest checkpoints in a folder until `limit` are left, but never `newest`, which was just written. Only
 * folders that contain a trainer's state file count as checkpoints.
 */
export async function pruneCheckpoints(place: WritablePlace, limit: number, newest: string): Promise<void> {
  const files = await openFiles(place);
  const found: { name: string; step: number }[] = [];
  for (const entry of (await files.list?.()) ?? []) {
    const [, name, step] = /^(checkpoint-(\d+))\/$/.exec(entry) ?? [];
    if (name === undefined || name === newest || !(await files.has(`${name}/trainer_state.json`))) continue;
    found.push({ name, step: Number(step) });
  }
  found.sort((a, b) => a.step - b.step);
  for (const { name } of found.slice(0, Math.max(0, found.length + 1 - limit))) await removeFolder(place, name);
}
