/** The end of the last turn that was given, on the clock of `performance`. */
let last = 0;

/** Node's own way, at a third of a channel's cost. */
const { setImmediate } = globalThis as { setImmediate?: (fn: () => void) => unknown };

/**
 * The event loop gets its turn once work has gone on for this long, in milliseconds: a page paints
 * in between. Node has nothing to paint, and a turn may take a quarter of a millisecond there.
 */
const interval = setImmediate ? 32 : 16;

/**
 * Waits for a turn of the event loop. Timers would wait longer. `scheduler.yield` would come back
 * before any timer or message in Chromium, so that these never ran.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    if (setImmediate) {
      setImmediate(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/**
 * Gives the event loop a turn if the last one is over 16 ms ago (32 in Node), so that timers,
 * messages and paints come through in the middle of long work. For use between its units: batches,
 * tokens, tensors, layers. Then throws the signal's reason if it was aborted.
 */
export async function yieldIfDue(signal?: AbortSignal): Promise<void> {
  if (performance.now() - last >= interval) {
    await yieldToEventLoop();
    last = performance.now();
  }
  signal?.throwIfAborted();
}
