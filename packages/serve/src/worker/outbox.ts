/** Microtask turns to wait, in which the streams of a pass deliver their events. */
const turns = 16;

/** Returns a function that collects items and sends them in one message before the engine's next pass. */
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
