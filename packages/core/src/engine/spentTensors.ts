import type { Holding } from "./holding.ts";

/**
 * Memory up to this size is never taken back: losses and the like are kept in lists, and read late.
 */
const smallBytes = 4096;

let spent: Holding[] = [];
let pass = 0;
let pruneAt = 1024;

/** Counts a backward pass. */
export function countBackwardPass(): void {
  pass++;
  if (spent.length < pruneAt) return;
  spent = spent.filter(({ storage }) => storage !== null);
  pruneAt = Math.max(1024, 2 * spent.length);
}

/** Notes the results of a recorded step that a backward pass has used up, by the last of them. */
export function markConsumed(result: Holding | null): void {
  for (let holding = result; holding; holding = holding.earlier) {
    if (holding.storage === null) continue;
    holding.pass = pass;
    spent.push(holding);
  }
}

/** Takes back the results of steps that a backward pass before the last two has used up. */
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
