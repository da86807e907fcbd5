import { describe, expect, it } from "vitest";
import { Pool, type Slab } from "./pool.ts";

const mebi = 2 ** 20;

/** A pool on a device with these limits, the sizes that it created, and the buffers that it destroyed. */
function made(maxBufferSize = 2 ** 30, maxBinding = 2 ** 30) {
  const sizes: number[] = [];
  const destroyed: number[] = [];
  const told: (readonly Slab[])[] = [];
  const pool = new Pool({
    maxBufferSize,
    maxBinding,
    beforeDestroy: (slabs) => {
      expect(destroyed).toEqual(told.flat().map(({ bytes }) => bytes));
      told.push(slabs);
    },
    create: (bytes) => {
      sizes.push(bytes);
      return { destroy: () => void destroyed.push(bytes) } as never;
    },
  });
  return { pool, sizes, destroyed, told };
}

describe("the pool of buffers", () => {
  it("has four sizes between two powers of two, from 256 bytes on", () => {
    const { pool, sizes } = made();
    for (let bytes = 0; bytes <= 2048; bytes++) pool.alloc(bytes);
    expect([...new Set(sizes)]).toEqual([256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048]);
    for (const bytes of [257, 320, 321, 1025, 1280, 1281, 5 * mebi, 5 * mebi + 1]) {
      const { slab } = pool.alloc(bytes);
      expect(slab.bytes).toBeGreaterThanOrEqual(bytes);
      expect((slab.bytes - bytes) / slab.bytes, `${bytes}`).toBeLessThan(1 / 5);
    }
  });

  it("hands out a buffer again, to a block of its size alone", () => {
    const { pool, sizes } = made();
    const first = pool.alloc(300);
    pool.free(first);
    expect(first.freed).toBe(true);
    const other = pool.alloc(400);
    const again = pool.alloc(310);
    expect(again).toMatchObject({ bytes: 310, freed: false });
    expect(again.slab).toBe(first.slab);
    expect(other.slab.id).not.toBe(first.slab.id);
    expect(sizes).toEqual([320, 448]);
    expect(first.slab.lastBatch).toBe(-1);
  });

  it("counts what is used and free", () => {
    const { pool } = made();
    expect(pool.stats()).toEqual({ used: 0, free: 0, largestFree: 0, length: 0, buffers: 0 });
    const [a, b, c] = [300, 1000, 300].map((bytes) => pool.alloc(bytes));
    expect(pool.stats()).toEqual({ used: 320 + 1024 + 320, free: 0, largestFree: 0, length: 1664, buffers: 3 });
    pool.free(a);
    pool.free(b);
    expect(pool.stats()).toEqual({ used: 320, free: 1344, largestFree: 1024, length: 1664, buffers: 3 });
    const d = pool.alloc(1000);
    expect(pool.stats()).toEqual({ used: 1344, free: 320, largestFree: 320, length: 1664, buffers: 3 });
    for (const block of [c, d]) pool.free(block);
    expect(pool.stats()).toMatchObject({ used: 0, free: 1664, largestFree: 1024 });
  });

  it("refuses a block that is larger than any buffer, and cuts sizes at the limits", () => {
    const { pool } = made(10_000, 5000);
    expect(() => pool.alloc(10_001)).toThrow(
      "webgpu: a tensor of 10001 bytes is larger than any buffer of this device (10000 bytes); split it",
    );
    // The next size class of each is above the limit.
    expect([10_000, 5001, 5000, 4700].map((bytes) => pool.alloc(bytes).slab.bytes)).toEqual([10_000, 5120, 5000, 5000]);
  });

  it("keeps as much free memory as was in use at a time", () => {
    const { pool, destroyed } = made();
    const blocks = Array.from({ length: 10 }, () => pool.alloc(10 * mebi));
    for (const block of blocks) pool.free(block);
    expect(pool.stats()).toMatchObject({ free: 100 * mebi, buffers: 10 });
    expect(destroyed).toEqual([]);
  });

  it("destroys the largest free buffers where more is free than was in use", () => {
    const { pool, destroyed, told } = made();
    const first = Array.from({ length: 6 }, () => pool.alloc(10 * mebi));
    for (const block of first) pool.free(block);
    const second = Array.from({ length: 5 }, () => pool.alloc(12 * mebi));
    expect(destroyed).toEqual([]);
    // Then 72 MiB are free, and at most 60 MiB were in use. Half of those 60 stay.
    pool.free(second[0]);
    expect(destroyed.map((bytes) => bytes / mebi)).toEqual([12, 10, 10, 10]);
    expect(told.map((slabs) => slabs.map(({ bytes }) => bytes / mebi))).toEqual([[12, 10, 10, 10]]);
    expect(pool.stats()).toEqual({
      ...{ used: 48 * mebi, free: 30 * mebi, largestFree: 10 * mebi, length: 78 * mebi, buffers: 7 },
    });
    // Destroyed buffers are not handed out.
    expect(pool.alloc(12 * mebi).slab.id).toBe(11);
    expect(pool.alloc(10 * mebi).slab.id).toBeLessThan(6);
  });

  it("keeps 64 MiB in any case", () => {
    const { pool, destroyed } = made();
    // Each size gets a separate buffer. At most 16 MiB are in use.
    for (const size of [1, 2, 3, 4, 5, 6, 7, 8, 12, 16]) pool.free(pool.alloc(size * mebi));
    expect(pool.stats().free).toBe(64 * mebi);
    expect(destroyed).toEqual([]);
    pool.free(pool.alloc(1024));
    expect(destroyed.map((bytes) => bytes / mebi)).toEqual([16, 12, 8, 7, 6, 5, 4]);
    expect(pool.stats().free).toBe(6 * mebi + 1024);
  });

  it("trims to what it is told, and does nothing where little is free", () => {
    const { pool, destroyed, told } = made();
    const blocks = [300, 600, 1000].map((bytes) => pool.alloc(bytes));
    for (const block of blocks) pool.free(block);
    pool.trim(320 + 640 + 1024);
    expect(told).toEqual([]);
    pool.trim(320 + 640);
    expect(destroyed).toEqual([1024]);
    pool.trim(0);
    expect(destroyed).toEqual([1024, 640, 320]);
    expect(pool.stats()).toEqual({ used: 0, free: 0, largestFree: 0, length: 0, buffers: 0 });
  });
});
