import type { MatmulPrecision } from "@lowrank/core/functions";
import { type Block, FreeLists } from "./freeLists.ts";
import type { HeapStats } from "./heapStats.ts";

const pageBytes = 65536;
const maxPages = 65536;

/** Size of a granule: blocks start and end at multiples of a cache line. */
const granuleBytes = 64;

/**
 * Maximum number of bytes by which the memory grows beyond the current need. Growth should be rare, since V8 runs a
 * full garbage collection at each growth. But a larger reserve would be wasted on gaps between blocks.
 */
const spareBytes = 32 * 2 ** 20;

/** Cached data that was computed from a block's elements, and the version of the elements at that time. */
export interface Kept {
  readonly block: HeapBlock;
  version: number;
  /**
   * False if the data cannot be computed from these elements, for example because one is NaN. No data is stored then.
   */
  usable: boolean;
}

/** A block of memory that a heap allocated. */
export class HeapBlock implements Block {
  /** The number of bytes that the caller requested. */
  bytes = 0;
  /** Name of the op whose result the block holds; "" for the backend's internal memory. */
  label = "";
  /** Version of the block's contents. `@lowrank/core` sets it at each write. */
  version = 0;
  /** Lowest precision that products with the weight in this block may use. `@lowrank/core` sets it. */
  precision: MatmulPrecision = "highest";
  /** Data that kernels have computed from the elements, by name. It is discarded when the elements change. */
  kept: Map<string, Kept> | null = null;
  start: number;
  size: number;
  free = false;
  previous: Block | null = null;
  next: Block | null = null;
  newer: Block | null = null;
  older: Block | null = null;

  constructor(start: number, size: number) {
    this.start = start;
    this.size = size;
  }

  /** Address of the block in the WebAssembly memory. */
  get ptr(): number {
    return this.start * granuleBytes;
  }
}

/**
 * Allocates 64-byte aligned blocks in a WebAssembly memory. A new block takes nearly the smallest free block that is
 * large enough. A freed block is merged with free neighbours. If no free block is large enough, the memory grows: by
 * the missing size, or by a quarter of its current size (at most 32 MiB) if that is more.
 */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly #lists = new FreeLists();
  /** Index of the first granule of the heap. `#end` is the granule after the last block. */
  readonly #base: number;
  #end: number;
  #last: HeapBlock | null = null;
  #used = 0;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.memory = memory;
    this.#base = Math.ceil(base / granuleBytes);
    this.#end = this.#base;
    this.#takeIn();
  }

  /** Returns a block of at least `bytes`. Throws if the memory cannot grow that far; the limit is 4 GiB. */
  alloc(bytes: number): HeapBlock {
    const size = Math.max(1, Math.ceil(bytes / granuleBytes));
    const block = (this.#lists.find(size) ?? this.#grow(size, bytes)) as HeapBlock;
    this.#lists.remove(block);
    if (block.size > size) this.#lists.add(this.#cut(block, size));
    block.bytes = bytes;
    block.label = "";
    block.version = 0;
    block.precision = "highest";
    this.#used += size;
    return block;
  }

  /** Frees a block. Throws if it is free already. */
  free(block: HeapBlock): void {
    if (block.free)
      throw new Error(`heap: the block of ${block.bytes} bytes at address ${block.ptr} was already freed`);
    for (const kept of block.kept?.values() ?? []) this.free(kept.block);
    block.kept = null;
    this.#used -= block.size;
    const { previous, next } = block;
    if (next?.free) {
      this.#lists.remove(next);
      this.#join(block, next);
    }
    if (previous?.free) {
      this.#lists.remove(previous);
      this.#join(previous, block);
      block.free = true;
      this.#lists.add(previous);
    } else this.#lists.add(block);
  }

  stats(): HeapStats {
    let free = 0;
    let largest = 0;
    for (const block of this.#blocks()) {
      if (!block.free) continue;
      free += block.size;
      largest = Math.max(largest, block.size);
    }
    const [used, length] = [this.#used * granuleBytes, this.memory.buffer.byteLength];
    return { used, free: free * granuleBytes, largestFree: largest * granuleBytes, length };
  }

  /** Shortens a block to `size` granules. Returns the rest as a new block. */
  #cut(block: HeapBlock, size: number): HeapBlock {
    const rest = new HeapBlock(block.start + size, block.size - size);
    const { next } = block;
    block.size = size;
    block.next = rest;
    rest.previous = block;
    rest.next = next;
    if (next) next.previous = rest;
    else this.#last = rest;
    return rest;
  }

  #join(block: Block, next: Block): void {
    block.size += next.size;
    block.next = next.next;
    if (next.next) next.next.previous = block;
    else this.#last = block as HeapBlock;
  }

  /** Adds newly grown memory to the heap as a free block. If the last block is free, merges the two. */
  #takeIn(): void {
    const end = Math.floor(this.memory.buffer.byteLength / granuleBytes);
    if (end <= this.#end) return;
    const [last, fresh] = [this.#last, new HeapBlock(this.#end, end - this.#end)];
    this.#end = end;
    this.#last = fresh;
    fresh.previous = last;
    if (last) last.next = fresh;
    this.#used += fresh.size;
    this.free(fresh);
  }

  /** Grows the memory until there is a free block of `size` granules at its end. Returns that block. */
  #grow(size: number, asked: number): Block {
    const length = this.memory.buffer.byteLength;
    const start = this.#last?.free ? this.#last.start : this.#end;
    const need = Math.ceil(((start + size) * granuleBytes - length) / pageBytes);
    const spare = Math.floor(Math.min(length / 4, spareBytes) / pageBytes);
    if (!this.#growBy(Math.max(need, Math.min(spare, maxPages - length / pageBytes))) && !this.#growBy(need)) {
      throw new Error(this.#full(asked));
    }
    this.#takeIn();
    return this.#last as Block;
  }

  #growBy(pages: number): boolean {
    try {
      this.memory.grow(pages);
      return true;
    } catch {
      return false;
    }
  }

  #full(asked: number): string {
    const { used, free, largestFree, length } = this.stats();
    return (
      `wasm memory is full: asked for ${mebibytes(asked)}. Of ${mebibytes(length)}, ${mebibytes(used)} are in use` +
      `${this.#holders()} and ${mebibytes(free)} free, the largest free block ${mebibytes(largestFree)}. ` +
      "To free results that a loop no longer needs, run each step inside scope(() => ...), or declare them with `using`; " +
      "backward() frees the tensors that a graph has saved. Otherwise use a smaller batch or sequence"
    );
  }

  /**
   * Describes which ops' results take most of the memory, for error messages: " (most by 300 results of relu, 1.00 MiB
   * each, ...)".
   */
  #holders(): string {
    const held = new Map<string, { label: string; bytes: number; count: number }>();
    for (const { bytes, label, free } of this.#blocks()) {
      if (free) continue;
      const key = `${label} ${bytes}`;
      const group = held.get(key) ?? { label, bytes, count: 0 };
      group.count++;
      held.set(key, group);
    }
    const most = [...held.values()].sort((a, b) => b.bytes * b.count - a.bytes * a.count).slice(0, 3);
    const groups = most.map(({ label, bytes, count }) => {
      return `${count} of ${label || "the backend"}, ${mebibytes(bytes)} each`;
    });
    return groups.length > 0 ? ` (most by ${groups.join("; ")})` : "";
  }

  *#blocks(): Iterable<HeapBlock> {
    for (let block = this.#last; block; block = block.previous as HeapBlock | null) yield block;
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 1)} MiB`;
}
