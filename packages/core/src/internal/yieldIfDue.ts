/** The time of the last yield, in milliseconds of `performance.now()`. */
let last = 0;

/** Node's function, which costs a third of a message channel. */
const { setImmediate } = globalThis as { setImmediate?: (fn: () => void) => unknown };

/**
 * Milliseconds of work after which the event loop gets a turn, so that a page can paint. Node does not paint, and a
 * turn may take a quarter of a millisecond there, so the interval is longer.
 */
const interval = setImmediate ? 32 : 16;

/**
 * Waits for a turn of the event loop. Timers would wait longer. In Chromium `scheduler.yield` would resume before any
 * timer or message, so these would never run.
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
 * Yields to the event loop if the last yield is over 16 ms ago (32 in Node), so that timers, messages and paints run
 * during long work. Call it between units of work: batches, tokens, tensors, layers. Then throws the signal's reason if
 * the signal was aborted.
 */
export async function yieldIfDue(signal?: AbortSignal): Promise<void> {
  if (performance.now() - last >= interval) {
    await yieldToEventLoop();
    last = performance.now();
  }
  signal?.throwIfAborted();
}
