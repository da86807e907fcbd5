import { openFiles, removeFolder, type WritablePlace } from "@lowrank/files";

/**
 * Removes checkpoints of the fewest steps from a place until `limit` are left; `newest`, which was
 * just written, stays. Only folders that hold a trainer's state are taken for checkpoints.
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
