/** The progress of a long task, such as loading or quantising a model. */
export interface Progress {
  /**
   * Number of bytes processed so far. During a download, counts the bytes of the file. During loading or quantising,
   * counts the sizes that the processed tensors had before.
   */
  loaded: number;
  /** Total bytes. */
  total: number;
  /** The tensor or layer that was processed last, or the file that is being downloaded. */
  name: string;
}

/** Called after each tensor or layer, and during the download of a file. If it throws, the task is aborted. */
export type OnProgress = (progress: Progress) => void;

/** Time of the last yield to the event loop, in milliseconds of `performance.now()`. */
let last = 0;

/** Node's `setImmediate`, which takes a third of the time of a message channel. Undefined in browsers. */
const { setImmediate } = globalThis as { setImmediate?: (fn: () => void) => unknown };

/**
 * Milliseconds of work between two yields to the event loop. Browsers get short intervals, so that a page can paint.
 * Node gets longer ones, because nothing is painted there and a yield may take a quarter of a millisecond.
 */
const interval = setImmediate ? 32 : 16;

/**
 * Resolves after the event loop has run once. It does not use timers, which would wait longer, or Chromium's
 * `scheduler.yield`, which would resume before any timer or message is handled.
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
 * Yields to the event loop if the last yield was more than 16 ms ago (32 in Node), so that timers, messages and
 * painting are not blocked by long work. Call it between units of work, such as batches, tokens or layers. Throws the
 * reason of `signal` if it is aborted.
 */
export async function yieldIfDue(signal?: AbortSignal): Promise<void> {
  if (performance.now() - last >= interval) {
    await yieldToEventLoop();
    last = performance.now();
  }
  signal?.throwIfAborted();
}
