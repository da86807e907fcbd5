import type { Storage } from "./storage.ts";
import type { Tensor } from "./tensor.ts";

/** Collects the storages that ops read. */
interface Watch {
  /**
   * The id that the next storage had when `recordReads` was called. Storages with this id or a higher one are created
   * during the call; reads of these are not recorded.
   */
  readonly start: number;
  readonly found: Set<Storage>;
}

/** The watch of the innermost `recordReads` that runs a function, or null. */
export const readWatch: { current: Watch | null } = { current: null };

/** True while `recordReads` runs a function. */
export function isRecordingReads(): boolean {
  return readWatch.current !== null;
}

/** Records that an op is about to read these inputs. */
export function noteReads(inputs: readonly Tensor[]): void {
  const watch = readWatch.current;
  if (!watch) return;
  for (const { storage } of inputs) if (storage.id < watch.start) watch.found.add(storage);
}
