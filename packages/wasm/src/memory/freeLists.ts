/** A range of the memory, in granules. Adjacent ranges are linked, and so are free blocks of one class. */
export interface Block {
  start: number;
  size: number;
  free: boolean;
  previous: Block | null;
  next: Block | null;
  /** Neighbours in the list of free blocks. */
  newer: Block | null;
  older: Block | null;
}

/** Each doubling of size is divided into 16 classes; sizes below 16 have a class each. */
const stepBits = 4;
const stepsPerDoubling = 1 << stepBits;
const stepMask = stepsPerDoubling - 1;
/** The number of size doublings, enough for 2^26 granules. */
const doublings = 24;

/** The number of blocks of the requested class that are tried before larger ones are used: they may be too small. */
const looks = 8;

function classOf(size: number): number {
  if (size < stepsPerDoubling) return size;
  const doubling = 32 - stepBits - Math.clz32(size);
  return (doubling << stepBits) | ((size >> (doubling - 1)) & stepMask);
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

/**
 * The free blocks, by size. Bit masks record which classes contain blocks, so that adding, removing and finding take
 * constant time. Masmano et al. 2004, "TLSF: a new dynamic memory allocator for real-time systems".
 */
export class FreeLists {
  readonly #newest: (Block | null)[] = new Array(doublings << stepBits).fill(null);
  /** Bit masks: for each doubling the classes that contain blocks, and the doublings that contain any. */
  readonly #steps = new Int32Array(doublings);
  #doublings = 0;

  add(block: Block): void {
    const at = classOf(block.size);
    const older = this.#newest[at];
    block.free = true;
    block.newer = null;
    block.older = older;
    if (older) older.newer = block;
    this.#newest[at] = block;
    this.#steps[at >> stepBits] |= 1 << (at & stepMask);
    this.#doublings |= 1 << (at >> stepBits);
  }

  remove(block: Block): void {
    const { newer, older } = block;
    block.free = false;
    if (older) older.newer = newer;
    if (newer) newer.older = older;
    else this.#setNewest(classOf(block.size), older);
    block.newer = null;
    block.older = null;
  }

  /** Returns a block of at least `size`, nearly the smallest such block, or null if there is none. */
  find(size: number): Block | null {
    const own = classOf(size);
    let block = this.#newest[own];
    for (let look = 0; block && look < looks; look++) {
      if (block.size >= size) return block;
      block = block.older;
    }
    const larger = this.#lowestFrom(own + 1);
    if (larger !== null) return this.#newest[larger];
    while (block && block.size < size) block = block.older;
    return block;
  }

  #setNewest(at: number, block: Block | null): void {
    this.#newest[at] = block;
    if (block) return;
    const doubling = at >> stepBits;
    this.#steps[doubling] &= ~(1 << (at & stepMask));
    if (this.#steps[doubling] === 0) this.#doublings &= ~(1 << doubling);
  }

  /** Returns the first class from `at` on that contains blocks, or null. */
  #lowestFrom(at: number): number | null {
    const doubling = at >> stepBits;
    const steps = this.#steps[doubling] & (-1 << (at & stepMask));
    if (steps !== 0) return (doubling << stepBits) | lowestBit(steps);
    const above = this.#doublings & (-2 << doubling);
    if (above === 0) return null;
    const next = lowestBit(above);
    return (next << stepBits) | lowestBit(this.#steps[next]);
  }
}
