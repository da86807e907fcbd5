/**
 * A range of the memory, in granules of 64 bytes. It is linked to the ranges before and after it, and a free range also
 * to other free ranges of the same size class.
 */
export interface Block {
  start: number;
  size: number;
  free: boolean;
  previous: Block | null;
  next: Block | null;
  /**
   * The neighbours of a free block in the list of its size class: `newer` was freed later, `older` earlier. Null at the
   * ends of the list.
   */
  newer: Block | null;
  older: Block | null;
}

/**
 * Number of bits that select a size class within a doubling: the sizes from 2^n up to 2^(n + 1) granules are divided
 * into 16 classes. Below 16 granules, each size has its own class.
 */
const stepBits = 4;
const stepsPerDoubling = 1 << stepBits;
const stepMask = stepsPerDoubling - 1;
/** Number of size doublings, enough for blocks of 2^26 granules. */
const doublings = 24;

/**
 * Maximum number of free blocks that are tested in the list of the requested size class, since some may be too small.
 * If none of them is large enough, a block of a larger class is used.
 */
const looks = 8;

function classOf(size: number): number {
  if (size < stepsPerDoubling) return size;
  const doubling = 32 - stepBits - Math.clz32(size);
  return (doubling << stepBits) | ((size >> (doubling - 1)) & stepMask);
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

/**
 * The free blocks, in lists by size class. Bit masks mark the lists that are not empty, so that adding, removing and
 * finding a block take constant time. Masmano et al. 2004, "TLSF: a new dynamic memory allocator for real-time
 * systems".
 */
export class FreeLists {
  readonly #newest: (Block | null)[] = new Array(doublings << stepBits).fill(null);
  /**
   * For each doubling of size, a bit mask of the size classes that have free blocks. `#doublings` has one bit for each
   * doubling, set if any of its classes has free blocks.
   */
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

  /**
   * Returns a free block of at least `size` granules, nearly the smallest one, or null if there is none. Does not
   * remove the block from its list.
   */
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

  /** Returns the lowest size class, starting at class `at`, that has free blocks, or null if there is none. */
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
