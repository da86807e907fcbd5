const pageBytes = 65536;
const maxPages = 65536;

/** The smallest size class that holds `bytes`: 4 classes for each doubling, so at most a quarter is lost. */
export function classBytes(bytes: number): number {
  if (bytes <= 64) return 64;
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - 2);
  return Math.ceil(bytes / step) * step;
}

/**
 * Hands out blocks of a WebAssembly memory, 64-byte aligned. Freed blocks wait in a list of their size class;
 * new ones come from the end, growing the memory by a quarter at least.
 */
export class Heap {
  readonly memory: WebAssembly.Memory;
  #end: number;
  readonly #free = new Map<number, number[]>();
  #used = 0;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.memory = memory;
    this.#end = Math.ceil(base / 64) * 64;
  }

  /** Address of a block of at least `bytes`. Throws where the 4 GiB of a WebAssembly memory do not suffice. */
  alloc(bytes: number): number {
    const size = classBytes(bytes);
    const ptr = this.#free.get(size)?.pop() ?? this.#extend(size, bytes);
    this.#used += size;
    return ptr;
  }

  /** Gives back a block that `alloc(bytes)` handed out. */
  free(ptr: number, bytes: number): void {
    const size = classBytes(bytes);
    this.#used -= size;
    const list = this.#free.get(size);
    if (list) list.push(ptr);
    else this.#free.set(size, [ptr]);
  }

  /** Bytes in use, bytes waiting in free lists, and the memory's whole length. */
  stats(): { used: number; free: number; length: number } {
    let free = 0;
    for (const [size, list] of this.#free) free += size * list.length;
    return { used: this.#used, free, length: this.memory.buffer.byteLength };
  }

  #extend(size: number, asked: number): number {
    const ptr = this.#end;
    const missing = ptr + size - this.memory.buffer.byteLength;
    if (missing > 0) {
      const have = this.memory.buffer.byteLength / pageBytes;
      const need = Math.ceil(missing / pageBytes);
      const wish = Math.min(Math.max(need, Math.ceil(have / 4)), maxPages - have);
      try {
        if (wish < need) throw new RangeError("over 4 GiB");
        this.memory.grow(wish);
      } catch {
        const { used, free, length } = this.stats();
        const mib = (n: number) => `${(n / 2 ** 20).toFixed(1)} MiB`;
        throw new Error(
          `wasm memory is full: asked for ${mib(asked)}; ${mib(length)} are taken (${mib(used)} by live tensors, ${mib(free)} free in blocks of other sizes). Use a smaller batch or sequence, or free tensors with scope()`,
        );
      }
    }
    this.#end = ptr + size;
    return ptr;
  }
}
