import { yieldToEventLoop } from "../internal/yieldIfDue.ts";
import { reclaimConsumed } from "./spentTensors.ts";
import { memory } from "./storage.ts";

/** With less live memory than this (80 MiB), no garbage is collected. */
const leastBytes = 80 * 2 ** 20;

/**
 * Allocating garbage of this size (128 MiB) makes an engine collect: it counts array buffers, but not tensor memory.
 */
const baitBytes = 128 * 2 ** 20;

/** Number of attempts to trigger a collection, as an engine sometimes ignores one. */
const attempts = 4;

/** With more live bytes than this, the next read looks for garbage. */
let limit = leastBytes;

/** True until the event loop has turned. */
let turning = false;

/**
 * Frees garbage tensors at a read if more bytes than the limit are live. An engine runs finalizers when the event loop
 * turns after a collection; a loop of awaited reads causes neither.
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
 * Reclaims results of earlier steps at a backward pass. It acts if the live bytes exceed 1.2 times the limit and the
 * event loop has not turned since the previous pass: without that turn an engine never runs finalizers.
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
