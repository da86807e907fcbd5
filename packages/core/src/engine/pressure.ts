import { yieldToEventLoop } from "../internal/longTasks.ts";
import type { Holding } from "./holding.ts";
import { memory } from "./storage.ts";

/**
 * Memory of at most this many bytes is never reclaimed, since programs collect small results such as losses and read
 * them late.
 */
const smallBytes = 4096;

let spent: Holding[] = [];
let pass = 0;
let pruneAt = 1024;

/** Counts a backward pass. Call it at the start of each one. */
export function countBackwardPass(): void {
  pass++;
  if (spent.length < pruneAt) return;
  spent = spent.filter(({ storage }) => storage !== null);
  pruneAt = Math.max(1024, 2 * spent.length);
}

/**
 * Marks all results of a graph node as used by the current backward pass. `result` is the last of them;
 * `Holding.earlier` links to the others.
 */
export function markConsumed(result: Holding | null): void {
  for (let holding = result; holding; holding = holding.earlier) {
    if (holding.storage === null) continue;
    holding.pass = pass;
    spent.push(holding);
  }
}

/**
 * Frees results that were used by a backward pass before the last two passes. Kept and small results (see `smallBytes`)
 * are not freed.
 */
function reclaimConsumed(): void {
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

/** Number of live bytes (80 MiB) up to which garbage is never collected. */
const leastBytes = 80 * 2 ** 20;

/**
 * Total size in bytes (128 MiB) of array buffers that are allocated to make the JavaScript engine collect garbage. The
 * engine does not count the memory of tensors, so without these buffers it would collect too late.
 */
const baitBytes = 128 * 2 ** 20;

/** Number of attempts to start a garbage collection, since engines sometimes ignore one. */
const attempts = 4;

/**
 * Limit for the bytes of live tensor memory. Above it, the next asynchronous read starts a garbage collection. The
 * limit grows if a collection frees too little.
 */
let limit = leastBytes;

/** True after a backward pass that found too many live bytes, until the event loop has run. */
let turning = false;

/**
 * Called at each asynchronous read. If the bytes of live tensor memory exceed the limit, starts a garbage collection
 * and lets the event loop run. Finalizers, which free unused tensors, need both, and a loop of awaited reads causes
 * neither.
 */
export async function collectGarbageOnRead(): Promise<void> {
  for (let attempt = 0; memory().bytes > limit; attempt++) {
    if (attempt === attempts) {
      limit = 1.5 * memory().bytes;
      return;
    }
    for (let i = 0; i < 4; i++) new ArrayBuffer(baitBytes / 4);
    await yieldToEventLoop();
    await yieldToEventLoop();
    turning = false;
  }
  limit = Math.max(leastBytes, Math.min(limit, 1.5 * memory().bytes));
}

/**
 * Called at the start of a backward pass. If live bytes exceed 1.2 times the limit and the event loop has not run since
 * the previous pass, frees results that earlier passes used. Finalizers cannot free them, because they run only in the
 * event loop.
 */
export function collectGarbageOnBackward(): void {
  if (memory().bytes <= 1.2 * limit) return;
  if (turning) {
    reclaimConsumed();
    limit = Math.max(limit, 0.75 * memory().bytes);
    return;
  }
  turning = true;
  void yieldToEventLoop().then(() => {
    turning = false;
  });
}
