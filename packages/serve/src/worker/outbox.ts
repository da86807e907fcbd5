/** Number of microtask turns to wait before sending, so that events of all streams of a pass are in one message. */
const turns = 16;

/** Returns a function that collects items, and sends all items of an engine's pass in one message. */
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
