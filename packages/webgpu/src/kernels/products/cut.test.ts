import { expect, it } from "vitest";
import { cutOf } from "./cut.ts";

// The tile of a product decides the order of its sums, so a change here changes the bits of results.

const hardware = { software: false, tile: "staged 8x4", batchInvariant: false } as const;
const software = { software: true, tile: "direct 8x4", batchInvariant: false } as const;

const tileOf = (facts: Parameters<typeof cutOf>[1], m: number, n: number, transposeB = false, batches = 1): string =>
  cutOf({ m, n, k: 64, batches, transposeB }, facts).tile;

it.each([
  [1, "along 1", "down 1", "alone 1"],
  [2, "along 2", "down 2", "alone 2"],
  [3, "along 4", "down 4", "alone 4"],
  [4, "along 4", "down 4", "alone 4"],
  [5, "staged wide", "staged wide", "direct wide"],
  [16, "staged wide", "staged wide", "direct wide"],
])("a product of %i rows has a tile for few rows", (m, along, down, alone) => {
  expect(tileOf(hardware, m, 500, true)).toBe(along);
  expect(tileOf(hardware, m, 500, false)).toBe(down);
  for (const transposeB of [false, true]) {
    expect(tileOf(software, m, 500, transposeB)).toBe(alone);
    // In batch-invariant mode threads do not share a sum.
    const apart = tileOf({ ...hardware, batchInvariant: true }, m, 500, transposeB);
    expect(apart).toBe("staged wide");
    expect(tileOf({ ...software, batchInvariant: true }, m, 500, transposeB)).toBe(alone);
  }
});

it("a product of few columns has a tall tile", () => {
  for (const [facts, reading] of [
    [hardware, "staged"],
    [software, "direct"],
  ] as const) {
    expect(tileOf(facts, 500, 8)).toBe(`${reading} tall`);
    expect(tileOf(facts, 500, 16)).toBe(`${reading} tall`);
    expect(tileOf(facts, 500, 17)).not.toBe(`${reading} tall`);
    // At most as many rows as columns.
    expect(tileOf(facts, 10, 8)).toBe(`${reading} tall`);
    expect(tileOf(facts, 12, 9)).toBe(`${reading} tall`);
    expect(tileOf(facts, 8, 8)).toBe(`${reading} tall`);
    expect(tileOf(facts, 9, 9)).toBe(`${reading} wide`);
    expect(tileOf(facts, 10, 10)).toBe(`${reading} wide`);
    expect(tileOf(facts, 16, 16)).toBe(`${reading} wide`);
    expect(tileOf(facts, 17, 16)).toBe(`${reading} tall`);
  }
});

it("a large product has the device's tile, and one of few tiles a smaller one", () => {
  // A tile of 8x4 results a thread has 128 rows and 64 columns.
  for (const [m, n, batches, tile] of [
    [17, 64, 1, "staged 4x4"],
    [1024, 8 * 64, 1, "staged 8x4"],
    [1024, 7 * 64 + 1, 1, "staged 8x4"],
    [1024, 7 * 64, 1, "staged 4x4"],
    [897, 8 * 64, 1, "staged 8x4"],
    [896, 8 * 64, 1, "staged 4x4"],
    [128, 64, 64, "staged 8x4"],
    [128, 64, 63, "staged 4x4"],
    [17, 17, 64, "staged 8x4"],
  ] as const) {
    expect(tileOf(hardware, m, n, false, batches), `${batches} x ${m} x ${n}`).toBe(tile);
  }
  // One workgroup keeps a CPU device busy.
  expect(tileOf(software, 17, 17)).toBe("direct 8x4");
  expect(tileOf({ ...hardware, tile: "direct 8x8" }, 17, 64)).toBe("direct 4x4");
  expect(tileOf({ ...hardware, tile: "staged 8x8" }, 4096, 4096)).toBe("staged 8x8");
});

it("sums are cut where there are few tiles, in parts of at least 128 terms, or 256 on a processor", () => {
  const cut = (facts: Parameters<typeof cutOf>[1], m: number, n: number, k: number, batches = 1) => {
    const { parts, each, blocks } = cutOf({ m, n, k, batches, transposeB: false }, facts);
    expect(blocks).toBe(false);
    if (parts === 1) expect(each).toBe(k);
    return parts;
  };
  expect([255, 256, 383, 384].map((k) => cut(hardware, 32, 32, k))).toEqual([1, 2, 2, 3]);
  expect([511, 512, 767, 768].map((k) => cut(software, 17, 17, k))).toEqual([1, 2, 2, 3]);
  // Sums that threads share are cut into parts only if they are long.
  expect([8191, 8192, 12288].map((k) => cut(hardware, 1, 100, k))).toEqual([1, 2, 3]);
  expect(cut(software, 1, 100, 512)).toBe(2);
  // On hardware, up to four rows share their terms among the threads of a tile.
  expect([4, 5].map((m) => cut(hardware, m, 17, 1024))).toEqual([1, 8]);
  // Enough workgroups are 256, or 4 on a CPU device.
  expect(cut(hardware, 32, 32, 256 * 400)).toBe(256);
  expect(cut(hardware, 1024, 1024, 100_000)).toBe(2);
  expect(cut(hardware, 2048, 1024, 100_000)).toBe(1);
  expect(cut(hardware, 128, 64, 100_000, 128)).toBe(2);
  expect([1, 2, 3, 4].map((batches) => cut(software, 17, 17, 100_000, batches))).toEqual([4, 2, 2, 1]);
});

it("sums of the batch-invariant mode have parts of 256 terms", () => {
  const cut = (m: number, n: number, k: number, facts: Parameters<typeof cutOf>[1] = hardware) =>
    cutOf({ m, n, k, batches: 1, transposeB: false }, { ...facts, batchInvariant: true });
  expect(cut(32, 32, 256)).toMatchObject({ parts: 1, each: 256, blocks: false });
  expect(cut(32, 32, 100)).toMatchObject({ parts: 1, each: 100, blocks: false });
  expect(cut(32, 32, 257)).toMatchObject({ parts: 2, each: 256, blocks: false });
  expect(cut(32, 32, 1024)).toMatchObject({ parts: 4, each: 256, blocks: false });
  // Below 64 workgroups the parts are computed in parallel.
  expect(cut(1024, 8 * 64, 1000)).toMatchObject({ parts: 1, each: 256, blocks: true });
  expect(cut(20, 63 * 64, 1000)).toMatchObject({ parts: 4, blocks: false });
  expect(cut(20, 63 * 64 + 1, 1000)).toMatchObject({ parts: 1, blocks: true });
  // A tile for few rows has 8 rows and 128 columns.
  expect(cut(10, 31 * 128, 1000)).toMatchObject({ parts: 4, blocks: false });
  expect(cut(10, 31 * 128 + 1, 1000)).toMatchObject({ parts: 1, blocks: true });
  expect(cut(17, 3 * 64, 1000, software)).toMatchObject({ parts: 4, blocks: false });
  expect(cut(17, 3 * 64 + 1, 1000, software)).toMatchObject({ parts: 1, blocks: true });
});
