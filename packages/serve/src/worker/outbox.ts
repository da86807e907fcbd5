/** Turns of the queue of microtasks in which the streams that a pass has fed come to their end. */
const turns = 16;

/**
 * Returns a function that collects items and sends them together, before the engine's next pass:
 * one message for all that came of one.
 */
export function outbox<T>(send: (items: T[]) => void): (item: T) => void {
  let items: T[] = [];
  const flush = async () => {
    for (let turn = 0; turn < turns; turn++) await null;
    const all = items;
    items = [];
    send(all);
  };
  return (item) => {
    items.push(item);
    if (items.length === 1) void flush();
  };
}
