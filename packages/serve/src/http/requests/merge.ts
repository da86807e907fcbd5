/** Item of one of several streams, with the index of the stream. */
export interface Merged<T> {
  readonly stream: number;
  readonly item: T;
}

/**
 * Yields the items of several streams as they arrive. If the signal is aborted, throws its reason at once, even while a
 * stream is waiting. Ends all streams when one of them fails, or when the caller stops iterating.
 */
export async function* merge<T>(
  streams: readonly AsyncIterable<T>[],
  signal: AbortSignal,
): AsyncGenerator<Merged<T>, void, undefined> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const pending = new Map<number, Promise<{ stream: number; result: IteratorResult<T> }>>();
  const pull = (stream: number) => {
    const next = iterators[stream].next().then((result) => ({ stream, result }));
    next.catch(() => {});
    // Moved to the end, so that one stream cannot always come before the others.
    pending.delete(stream);
    pending.set(stream, next);
  };
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  aborted.catch(() => {});
  try {
    signal.throwIfAborted();
    for (const stream of iterators.keys()) pull(stream);
    while (pending.size > 0) {
      const { stream, result } = await Promise.race([...pending.values(), aborted]);
      if (result.done) {
        pending.delete(stream);
        continue;
      }
      pull(stream);
      yield { stream, item: result.value };
    }
  } finally {
    signal.removeEventListener("abort", abort);
    for (const iterator of iterators) void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
