import { Generator } from "@lowrank/core";
import { testBatchInvariance } from "@lowrank/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BuildName } from "./builds/kernelBuild.ts";
import { hasRelaxedSimd } from "./builds/loadBuild.ts";
import { wasm } from "./index.ts";
import { bareKernels } from "./testing/bareKernels.ts";

const builds: BuildName[] = hasRelaxedSimd() ? ["simd", "relaxed"] : ["simd"];

/** A range of rows: `count` rows from `first` on. */
interface Part {
  m: number;
  first: number;
  count: number;
}

/** Counts around the sizes of tiles, and larger ones. */
const rowCounts = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70 }));
const parts = fc.tuple(rowCounts, fc.nat(), fc.nat()).map(([m, a, b]): Part => {
  const first = a % m;
  return { m, first, count: 1 + (b % (m - first)) };
});

/** Widths that are odd, a multiple of a vector, or more than a block of columns. */
const widths = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(48, 96, 97, 388, 1027));

/** Depths shorter than a vector, of one block and of several. */
const depths = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(192, 383, 384, 385, 576, 1000, 1600));

describe.each(builds)("gemm in the batch-invariant mode, %s", async (build) => {
  const { kernels, memory, heapBase } = await bareKernels(build, 1200, true);
  const start = Math.ceil(heapBase / 64) * 64;
  kernels.setScratch(start);
  const [a, b, c] = [start + kernels.scratchBytes(), start + 2 ** 24, start + 2 ** 25];
  const numbers = new Float32Array(70 * 1600 + 1027 * 1600);
  new Generator(1).fillNormal(numbers, 0, 1);

  const product = fc.record({
    part: parts,
    n: widths,
    k: depths,
    transA: fc.nat({ max: 1 }),
    transB: fc.nat({ max: 1 }),
    alpha: fc.constantFrom(1, 0.3),
    accumulate: fc.nat({ max: 1 }),
    tiles: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })),
    // Products of such small values are rounded to 0 and -0.
    scale: fc.constantFrom(1, 1e-30),
    pieces: fc.integer({ min: 1, max: 5 }),
  });

  it("gives rows the same bits alone and among others, by every tile, in pieces", () => {
    fc.assert(
      fc.property(product, ({ part, n, k, transA, transB, alpha, accumulate, tiles, scale, pieces }) => {
        const { m, first, count } = part;
        new Float32Array(memory.buffer, a, m * k).set(numbers.subarray(0, m * k).map((x) => scale * x));
        new Float32Array(memory.buffer, b, n * k).set(numbers.subarray(m * k, m * k + n * k).map((x) => scale * x));
        const [lda, ldb] = [transA ? m : k, transB ? k : n];
        const run = (tile: number, from: number, rows: number, pieces: number): Uint32Array => {
          kernels.setTile(tile);
          new Float32Array(memory.buffer, c, rows * n).set(numbers.subarray(from * n, (from + rows) * n));
          const at = a + 4 * from * (transA ? 1 : lda);
          for (let p = 0; p < pieces; p++) {
            kernels.gemmPart(at, b, c, rows, n, k, lda, ldb, n, transA, transB, alpha, accumulate, p, pieces);
          }
          return new Uint32Array(memory.buffer, c, rows * n).slice();
        };
        const all = run(tiles[0], 0, m, 1);
        expect(run(tiles[1], first, count, pieces)).toEqual(all.subarray(first * n, (first + count) * n));
      }),
      { numRuns: 200 },
    );
  });
});

/** A grain this small divides every divisible kernel call. */
const cases = builds.flatMap((build) => [1, 2].map((threads) => [build, threads] as const));

describe.each(cases)("rows in the batch-invariant mode, %s, threads: %i", async (build, threads) => {
  const backend = await wasm({ build, threads, grain: threads > 1 ? 1 : undefined, batchInvariant: true });
  for (const { name, run } of testBatchInvariance(backend, threads > 1 ? 8 : 20)) it(name, run);

  it("says so", () => expect(backend.batchInvariant).toBe(true));

  it("does not hold without the mode", async () => {
    const usual = await wasm({ build, threads, grain: 1 });
    expect(usual.batchInvariant).toBe(false);
    const [{ run }] = testBatchInvariance(usual, 8);
    await expect(run()).rejects.toThrow("has other bits among");
    usual.dispose();
  });
});
