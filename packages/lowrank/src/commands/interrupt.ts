/**
 * Runs `work` with a signal that Ctrl-C (or SIGTERM) aborts; the second time it
 * ends the process as ever.
 */
export async function withInterrupt<T>(onInterrupt: () => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    restore();
    onInterrupt();
    controller.abort();
  };
  const restore = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    return await work(controller.signal);
  } finally {
    restore();
  }
}
