import { describe, expect, it } from "vitest";
import { classBytes, Heap } from "./heap.ts";

describe("heap", () => {
  it("rounds to classes that waste at most a quarter", () => {
    for (let bytes = 65; bytes < 1e6; bytes = Math.ceil(bytes * 1.07)) {
      const size = classBytes(bytes);
      expect(size).toBeGreaterThanOrEqual(bytes);
      expect(size).toBeLessThanOrEqual(bytes * 1.25);
      expect(classBytes(size)).toBe(size);
    }
  });

  it("reuses freed blocks and keeps live ones apart", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 64 });
    const heap = new Heap(memory, 1000);
    const a = heap.alloc(100);
    const b = heap.alloc(100);
    expect(a % 64).toBe(0);
    expect(b - a).toBeGreaterThanOrEqual(100);
    heap.free(a, 100);
    expect(heap.alloc(98)).toBe(a);
    expect(heap.stats().used).toBe(2 * classBytes(100));
  });

  it("grows, and says what holds the memory when it cannot", () => {
    const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum: 4 }), 0);
    heap.alloc(100_000);
    expect(heap.stats().length).toBeGreaterThan(65536);
    expect(() => heap.alloc(1_000_000)).toThrow(/asked for 1\.0 MiB; .* are taken .*live tensors/);
  });
});
