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

/** Garbage is collected only if more bytes (80 MiB) than this are live. */
const leastBytes = 80 * 2 ** 20;

/**
 * Number of bytes in array buffers (128 MiB) whose allocation makes a JavaScript engine collect garbage. They are
 * needed because the engine does not count the memory of tensors.
 */
const baitBytes = 128 * 2 ** 20;

/** Number of attempts to start a garbage collection, since engines sometimes ignore one. */
const attempts = 4;

/** Live bytes above which the next read collects garbage. It grows if a collection frees too little. */
let limit = leastBytes;

/** True from a backward pass until the event loop has run. */
let turning = false;

/**
 * Frees garbage tensors, at an asynchronous read, if too many bytes are live. Engines run finalizers only after a
 * collection and when the event loop runs; a loop of awaited reads by itself causes neither.
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
 * Called at the start of a backward pass. Frees results of earlier training steps if live bytes exceed 1.2 times the
 * limit and the event loop has not run since the previous pass, because finalizers could then not free them.
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
