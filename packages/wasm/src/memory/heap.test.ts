import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Heap, type HeapBlock } from "./heap.ts";

const newMemory = (initial: number, maximum: number) => new WebAssembly.Memory({ initial, maximum });

const lines = (bytes: number) => Math.max(64, Math.ceil(bytes / 64) * 64);

/** Sizes from a few bytes to half a megabyte; each power of two is equally likely. */
const bytes = fc.nat({ max: 19 }).chain((bits) => fc.integer({ min: 2 ** bits - 1, max: 2 ** (bits + 1) }));

describe("heap", () => {
  it("keeps blocks apart, counts them, and joins all that comes back", () => {
    // `free` is the index of a live block to free; -1 allocates.
    const action = fc.record({ bytes, free: fc.integer({ min: -1, max: 30 }) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200, size: "max" }), fc.nat({ max: 3000 }), (actions, base) => {
        const memory = newMemory(1, 4096);
        const heap = new Heap(memory, base);
        const first = Math.ceil(base / 64) * 64;
        const live: HeapBlock[] = [];
        for (const { bytes, free } of actions) {
          if (free >= 0 && free < live.length) heap.free(live.splice(free, 1)[0] as HeapBlock);
          else live.push(heap.alloc(bytes));
          const sorted = [...live].sort((a, b) => a.ptr - b.ptr);
          let end = first;
          for (const block of sorted) {
            expect(block.ptr % 64).toBe(0);
            expect(block.ptr).toBeGreaterThanOrEqual(end);
            end = block.ptr + block.bytes;
          }
          const stats = heap.stats();
          expect(end).toBeLessThanOrEqual(stats.length);
          expect(stats.length).toBe(memory.buffer.byteLength);
          expect(stats.used).toBe(live.reduce((sum, block) => sum + lines(block.bytes), 0));
          expect(stats.used + stats.free).toBe(stats.length - first);
        }
        for (const block of live) heap.free(block);
        const { used, free, largestFree, length } = heap.stats();
        expect([used, free, largestFree]).toEqual([0, length - first, length - first]);
      }),
    );
  });

  it("takes nearly the smallest free block that is large enough, and cuts it", () => {
    const heap = new Heap(newMemory(64, 64), 0);
    const [large, , small] = [300_000, 64, 100_000, 64].map((size) => heap.alloc(size)) as HeapBlock[];
    const [inLarge, inSmall] = [large.ptr, small.ptr];
    for (const block of [large, small]) heap.free(block);
    expect(heap.alloc(90_000).ptr).toBe(inSmall);
    expect(heap.alloc(150_000).ptr).toBe(inLarge);
    // The rest of the large block is reused, although it was freed as a block of another size.
    expect(heap.alloc(149_000).ptr).toBe(inLarge + lines(150_000));
  });

  it("finds the only block that fits among many of its class that do not", () => {
    const heap = new Heap(newMemory(16, 16), 0);
    // 16 KiB and up: a class is 1 KiB wide.
    const sizes = [17_300, ...Array.from({ length: 20 }, () => 16_448)];
    const blocks = sizes.flatMap((size) => [heap.alloc(size), heap.alloc(64)]);
    heap.alloc(heap.stats().largestFree);
    expect(heap.stats()).toMatchObject({ free: 0, largestFree: 0 });
    const at = blocks[0]?.ptr;
    for (let i = 0; i < blocks.length; i += 2) heap.free(blocks[i] as HeapBlock);
    expect(heap.alloc(17_300).ptr).toBe(at);
    expect(heap.stats().length).toBe(16 * 65536);
  });

  it("grows by what is missing and a bounded spare", () => {
    const mebi = 2 ** 20;
    const heap = new Heap(newMemory(16, 65536), 0);
    heap.alloc(mebi);
    heap.alloc(64);
    expect(heap.stats().length).toBe(1.25 * mebi);
    heap.alloc(200 * mebi);
    expect(heap.stats().length).toBe(201.0625 * mebi);
    heap.alloc(mebi);
    expect(heap.stats().length).toBe(233.0625 * mebi);
  });

  it("stays as long as it is over repeated steps", () => {
    const heap = new Heap(newMemory(1, 65536), 0);
    const sizes = Array.from({ length: 200 }, (_, i) => ((i * 7919) % 977) * 513 + 1);
    const step = () => {
      const blocks = sizes.map((size) => heap.alloc(size));
      for (const [i, block] of blocks.entries()) if (i % 3) heap.free(block);
      const others = sizes.slice(0, 50).map((size) => heap.alloc(2 * size));
      for (const [i, block] of blocks.entries()) if (i % 3 === 0) heap.free(block);
      for (const block of others) heap.free(block);
    };
    step();
    const before = heap.stats();
    for (let i = 0; i < 20; i++) step();
    expect(heap.stats()).toEqual(before);
  });

  it("says what holds the memory when it cannot grow", () => {
    const heap = new Heap(newMemory(1, 4), 0);
    const blocks = [1000, 50_000, 50_000, 1000, 60_000, 500].map((size) => heap.alloc(size));
    heap.free(blocks[3] as HeapBlock);
    for (const i of [1, 2]) blocks[i].label = "relu";
    blocks[4].label = "matmul";
    expect(() => heap.alloc(1_500_000)).toThrow(
      "wasm memory is full: asked for 1.4 MiB. Of 0.188 MiB, 0.154 MiB are in use (most by 2 of relu, 0.048 MiB " +
        "each; 1 of matmul, 0.057 MiB each; 1 of the backend, 0.001 MiB each) and 0.033 MiB free, the largest free " +
        "block 0.032 MiB. To free results that a loop no longer needs, run each step inside scope(() => ...), or declare " +
        "them with `using`; backward() frees the tensors that a graph has saved. Otherwise use a smaller batch or sequence",
    );
    expect(heap.alloc(90_000).bytes).toBe(90_000);
  });

  it("says what holds most of the memory, by its whole size, and nothing if it is empty", () => {
    const memoryOf = (sizes: readonly number[]): string | undefined => {
      const heap = new Heap(newMemory(2, 2), 0);
      for (const size of sizes) heap.alloc(size).label = `op of ${size}`;
      try {
        heap.alloc(2 ** 20);
      } catch (error) {
        return (error as Error).message.split(". To free")[0];
      }
      return undefined;
    };
    const full = "wasm memory is full: asked for 1.0 MiB. Of 0.125 MiB,";
    expect(memoryOf([])).toBe(`${full} 0.000 MiB are in use and 0.125 MiB free, the largest free block 0.125 MiB`);
    expect(memoryOf([64])).toBe(
      `${full} 0.000 MiB are in use (most by 1 of op of 64, 0.000 MiB each) and 0.125 MiB free, the largest free block 0.125 MiB`,
    );
    const many = [20_000, 30_000, ...new Array(10).fill(4096)];
    expect(memoryOf(many)).toContain(
      "(most by 10 of op of 4096, 0.004 MiB each; 1 of op of 30000, 0.029 MiB each; 1 of op of 20000, 0.019 MiB each)",
    );
  });

  it("grows by what is missing alone where the memory may not have a spare", () => {
    const heap = new Heap(newMemory(16, 18), 0);
    heap.alloc(16 * 65536);
    heap.alloc(100_000);
    expect(heap.stats().length).toBe(18 * 65536);
  });

  it("refuses a block that was given back before", () => {
    const heap = new Heap(newMemory(1, 1), 0);
    const [a, b] = [heap.alloc(100), heap.alloc(200)];
    heap.free(a);
    heap.free(b);
    for (const block of [a, b]) expect(() => heap.free(block)).toThrow(/was already freed/);
  });
});
