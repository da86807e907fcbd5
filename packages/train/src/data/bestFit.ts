/**
 * Puts items into bins of `size`: the longest first, each where the least room is left; returns the
 * items of each bin, by their numbers. A longer item has a bin to itself. Equal lengths keep their
 * order, so that equal lists have equal bins.
 */
export function bestFit(lengths: ArrayLike<number>, size: number): Uint32Array[] {
  const order = Uint32Array.from(lengths, (_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  const bins: number[][] = [];
  const open = new OpenBins(size);
  for (const item of order) {
    const length = lengths[item];
    const found = length > size ? undefined : open.take(length);
    const bin = found ?? { number: bins.push([]) - 1, room: size };
    bins[bin.number].push(item);
    if (length < bin.room) open.put(bin.number, bin.room - length);
  }
  return bins.map((bin) => Uint32Array.from(bin));
}

/** Bins by the room that is left in them. */
class OpenBins {
  readonly #byRoom: number[][];
  /** Rooms that some bin has, as a tree of counts: node i has the children 2i and 2i + 1. */
  readonly #counts: Uint32Array;
  readonly #leaves: number;

  constructor(size: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(size + 1));
    this.#counts = new Uint32Array(2 * this.#leaves);
    this.#byRoom = Array.from({ length: size + 1 }, () => []);
  }

  put(number: number, room: number): void {
    this.#byRoom[room].push(number);
    for (let node = this.#leaves + room; node > 0; node >>= 1) this.#counts[node]++;
  }

  /** Takes the bin with the least room of at least `room`. */
  take(room: number): { number: number; room: number } | undefined {
    let node = this.#leaves + room;
    // Up to the first subtree on the right that holds a bin, and down to its left-most one.
    while (this.#counts[node] === 0) {
      while (node % 2 === 1) node >>= 1;
      if (node === 0) return undefined;
      node++;
    }
    while (node < this.#leaves) node = this.#counts[2 * node] > 0 ? 2 * node : 2 * node + 1;
    const found = node - this.#leaves;
    const number = this.#byRoom[found].pop() as number;
    for (let up = node; up > 0; up >>= 1) this.#counts[up]--;
    return { number, room: found };
  }
}
