import { yieldToEventLoop } from "../internal/yieldIfDue.ts";
import { reclaimConsumed } from "./spentTensors.ts";
import { memory } from "./storage.ts";

/** With less live memory than this nothing is done. */
const leastBytes = 80 * 2 ** 20;

/** Garbage of this size makes an engine collect; it counts array buffers, and not our memory. */
const baitBytes = 128 * 2 ** 20;

/** Tries to have garbage collected: an engine now and then does not take the bait. */
const attempts = 4;

/** More live bytes than this are a reason to look for garbage at the next read. */
let limit = leastBytes;

/** True until the event loop has turned. */
let turning = false;

/**
 * Frees tensors that are garbage at a read, where much memory is live. An engine reports
 * garbage when the event loop turns after a collection; a loop of awaited reads gives it neither.
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
 * Takes back results of earlier steps at a backward pass, where more than the limit is live and
 * the event loop did not turn since the pass before: there, garbage is never reported.
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
