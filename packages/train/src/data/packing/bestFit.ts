/**
 * Packs items of the given lengths into bins of `size` with best-fit decreasing: longest first, each into the fullest
 * bin that still has space for it. Returns the item indices of each bin. An item longer than `size` gets its own bin.
 * Equal lengths keep their order, so the result is deterministic.
 */
export function bestFit(lengths: ArrayLike<number>, size: number): Uint32Array[] {
  const order = Uint32Array.from(lengths, (_, i) => i).sort((a, b) => lengths[b] - lengths[a]);
  const bins: number[][] = [];
  const open = new OpenBins(size);
  for (const item of order) {
    const length = lengths[item];
    const found = open.take(Math.min(length, size));
    const bin = found ?? { number: bins.push([]) - 1, room: size };
    bins[bin.number].push(item);
    open.put(bin.number, Math.max(0, bin.room - length));
  }
  return bins.map((bin) => Uint32Array.from(bin));
}

/** Bins that are not full yet, indexed by their free space. */
class OpenBins {
  readonly #byRoom: number[][] = [];
  /** Number of bins for each amount of free space, summed in a binary tree: node i has the children 2i and 2i + 1. */
  readonly #counts: Uint32Array;
  readonly #leaves: number;

  constructor(size: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(size + 1));
    this.#counts = new Uint32Array(2 * this.#leaves);
  }

  put(number: number, room: number): void {
    this.#byRoom[room] ??= [];
    this.#byRoom[room].push(number);
    for (let node = this.#leaves + room; node; node >>= 1) this.#counts[node]++;
  }

  /** Removes and returns the fullest bin with at least `room` free space; undefined if there is none. */
  take(room: number): { number: number; room: number } | undefined {
    let node = this.#leaves + room;
    // Moves up to the first right subtree with a bin, then down to its leftmost one.
    while (this.#counts[node] === 0) {
      while (node % 2 === 1) node >>= 1;
      if (node === 0) return undefined;
      node++;
    }
    while (node < this.#leaves) node = this.#counts[2 * node] > 0 ? 2 * node : 2 * node + 1;
    const found = node - this.#leaves;
    const number = this.#byRoom[found].pop() as number;
    for (let up = node; up; up >>= 1) this.#counts[up]--;
    return { number, room: found };
  }
}
