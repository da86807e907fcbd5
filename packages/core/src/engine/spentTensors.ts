import type { Holding } from "./holding.ts";

/**
 * Memory of at most this many bytes is never reclaimed, since programs collect small results such as losses and read
 * them late.
 */
const smallBytes = 4096;

let spent: Holding[] = [];
let pass = 0;
let pruneAt = 1024;

/** Increases the number of backward passes. Call it when one starts. */
export function countBackwardPass(): void {
  pass++;
  if (spent.length < pruneAt) return;
  spent = spent.filter(({ storage }) => storage !== null);
  pruneAt = Math.max(1024, 2 * spent.length);
}

/** Marks all results of a recorded op as used by the current backward pass. `result` is the last of them. */
export function markConsumed(result: Holding | null): void {
  for (let holding = result; holding; holding = holding.earlier) {
    if (holding.storage === null) continue;
    holding.pass = pass;
    spent.push(holding);
  }
}

/** Frees the results that were used by backward passes before the last two. */
export function reclaimConsumed(): void {
  const later: Holding[] = [];
  for (const holding of spent) {
    if (!holding.storage || holding.kept || holding.storage.buffer.bytes <= smallBytes) continue;
    if (holding.pass > pass - 2) {
      later.push(holding);
      continue;
    }
    holding.takenBack = true;
    holding.release();
  }
  spent = later;
}
