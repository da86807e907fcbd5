import { type Storage, storageClock } from "./storage.ts";
import type { Tensor } from "./tensor.ts";

interface Watch {
  /**
   * The id that the next storage had when `recordReads` was called. Storages with this id or a higher one are created
   * during the call; reads of these are not recorded.
   */
  readonly start: number;
  readonly found: Set<Storage>;
}

let watch: Watch | null = null;

/** True while `recordReads` runs a function. */
export function isRecordingReads(): boolean {
  return watch !== null;
}

/** Records that an op is about to read these inputs. */
export function noteReads(inputs: readonly Tensor[]): void {
  if (!watch) return;
  for (const { storage } of inputs) if (storage.id < watch.start) watch.found.add(storage);
}

/**
 * Runs `fn` (synchronously). Returns its result, and the storages that its ops read and that existed before the call.
 */
export function recordReads<T>(fn: () => T): { result: T; reads: ReadonlySet<Storage> } {
  const outer = watch;
  const found = new Set<Storage>();
  watch = { start: storageClock(), found };
  try {
    return { result: fn(), reads: found };
  } finally {
    watch = outer;
    for (const storage of found) if (outer && storage.id < outer.start) outer.found.add(storage);
  }
}
