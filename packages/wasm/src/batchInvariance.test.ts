import {
  add,
  argmax,
  embedding,
  Generator,
  geglu,
  gelu,
  geluTanh,
  init,
  layerNorm,
  linearInt8,
  loraLinear,
  matmul,
  mul,
  randn,
  reshape,
  rmsNorm,
  rope,
  ropeTables,
  sampleTokens,
  scope,
  silu,
  slice,
  softmax,
  swiglu,
  type Tensor,
  to,
} from "@lowrank/core";
import { storedWeights } from "@lowrank/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BuildName } from "./builds/kernelBuild.ts";
import { hasRelaxedSimd } from "./builds/relaxedSimd.ts";
import { type WasmBackend, wasm } from "./index.ts";
import { bareKernels } from "./testing/bareKernels.ts";

const builds: BuildName[] = hasRelaxedSimd() ? ["simd", "relaxed"] : ["simd"];

/** Some of m rows: those from `first` on, `count` of them. */
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

/** Widths that are odd, or whole vectors, or more than a block of columns. */
const widths = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(48, 96, 97, 388, 1027));

/** Depths with no whole vector, of one block and of several. */
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
    // Products of such numbers are rounded to 0 and -0.
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

async function bitsOf(t: Tensor): Promise<Uint32Array> {
  return new Uint32Array((await t.data()).buffer);
}

/** Throws unless `op` gives some rows of x the same bits as among all m. */
async function expectSameRows(op: (x: Tensor, first: number) => Tensor, x: Tensor, { m, first, count }: Part) {
  using all = scope(() => op(x, 0));
  using some = scope(() => op(slice(x, { start: first, end: first + count }), first));
  const length = all.size / m;
  expect(await bitsOf(some)).toEqual((await bitsOf(all)).subarray(first * length, (first + count) * length));
}

const formats: typeof storedWeights = { f32: (w) => w, ...storedWeights };
const normal = (shape: number[], backend: WasmBackend, seed = 1): Tensor =>
  randn(shape, { generator: new Generator(seed), backend });

/** Makes a weight [n, k] in a format. */
function weight(format: string, n: number, k: number, backend: WasmBackend): Tensor {
  const w = normal([n, k], backend, 2);
  return formats[format]!(w, w.dataSync() as Float32Array);
}

/** A grain this small cuts every kernel call that can be cut. */
const cases = builds.flatMap((build) => [1, 2].map((threads) => [build, threads] as const));

describe.each(cases)("rows in the batch-invariant mode, %s, threads: %i", async (build, threads) => {
  const backend = await wasm({ build, threads, grain: threads > 1 ? 1 : undefined, batchInvariant: true });
  const runs = threads > 1 ? 8 : 20;
  const check = async <T>(inputs: fc.Arbitrary<T>, property: (drawn: T) => Promise<void>): Promise<void> => {
    await init(backend);
    await fc.assert(fc.asyncProperty(inputs, property), { numRuns: runs });
  };
  const columns = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(97));
  const inBlocks = fc.constantFrom(1, 3, 12, 18, 30).map((count) => 32 * count);

  it("says so", () => expect(backend.batchInvariant).toBe(true));

  it.each(Object.keys(formats))("matmul by a weight in %s, either way round", (format) =>
    check(fc.record({ part: parts, n: columns, k: inBlocks, transposeB: fc.boolean() }), async (drawn) => {
      const { part, transposeB } = drawn;
      const [n, k] = transposeB ? [drawn.n, drawn.k] : [drawn.k, 64];
      using w = weight(format, n, k, backend);
      using x = normal([part.m, transposeB ? k : n], backend);
      await expectSameRows((rows) => matmul(rows, w, { transposeB }), x, part);
    }),
  );

  // Panels of weights hold 128 blocks at a time.
  const manyBlocks = fc.oneof(inBlocks, fc.constant(32 * 131));
  it.each(["q4_0", "q4_1", "q8_0"])("linearInt8 by %s", (format) =>
    check(fc.record({ part: parts, n: columns, k: manyBlocks }), async ({ part, n, k }) => {
      using w = weight(format, n, k, backend);
      using x = normal([part.m, k], backend);
      await expectSameRows((rows) => linearInt8(rows, w), x, part);
    }),
  );

  it("loraLinear and its factors", () =>
    check(
      fc.record({
        part: parts,
        n: columns,
        k: depths,
        r: fc.constantFrom(1, 4, 8, 13, 64),
        format: fc.constantFrom("f32", "bf16"),
      }),
      async ({ part, n, k, r, format }) => {
        using w = weight(format, n, k, backend);
        using a = normal([r, k], backend, 3);
        using b = normal([n, r], backend, 4);
        using x = normal([part.m, k], backend);
        await expectSameRows((rows) => loraLinear(rows, w, a, b, { scaling: 0.3 }), x, part);
        await expectSameRows((rows) => matmul(rows, a, { transposeB: true }), x, part);
        using low = normal([part.m, r], backend);
        await expectSameRows((rows) => matmul(rows, b, { transposeB: true }), low, part);
      },
    ));

  it("everything that goes row by row", () =>
    check(
      fc.record({ part: parts, n: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(1027)) }),
      async ({ part, n }) => {
        const { m } = part;
        using w = normal([n], backend, 5);
        using table = normal([7, n], backend, 6);
        using other = normal([m, n], backend, 7);
        const tables = ropeTables([1, 0.3, 0.01], m);
        const [cos, sin] = [tables.cos, tables.sin].map((t) => reshape(t, [m, 1, 3])) as [Tensor, Tensor];
        const beside = (t: Tensor, rows: Tensor, from: number) => slice(t, { start: from, end: from + rows.shape[0]! });
        using x = normal([m, n], backend);
        const ops: ((rows: Tensor, first: number) => Tensor)[] = [
          (rows) => rmsNorm(rows, w, { eps: 1e-5 }),
          (rows) => layerNorm(rows, w, w, { eps: 1e-5 }),
          (rows) => softmax(rows, { dim: 1 }),
          (rows) => silu(rows),
          (rows) => gelu(rows),
          (rows) => geluTanh(rows),
          (rows, from) => swiglu(rows, beside(other, rows, from)),
          (rows, from) => geglu(rows, beside(other, rows, from), {}),
          (rows, from) => geglu(rows, beside(other, rows, from), { approximate: "tanh" }),
          (rows, from) => add(rows, beside(other, rows, from)),
          (rows, from) => mul(rows, beside(other, rows, from)),
          (rows) => add(rows, w),
          (rows) => mul(rows, w),
          (rows) => to(argmax(rows, { dim: 1 }), { dtype: "f32" }),
          (rows) =>
            embedding(table, to(argmax(slice(rows, { dim: 1, end: Math.min(n, 7) }), { dim: 1 }), { dtype: "i32" })),
          (rows, from) => {
            const generator = new Generator(3);
            generator.offset = from;
            return sampleTokens(rows, { generator, temperature: 0.8, topK: 5, topP: 0.9 });
          },
        ];
        for (const op of ops) await expectSameRows(op, x, part);
        using heads = normal([m, 1, 2, 7], backend);
        const turn = (rows: Tensor, from: number) => rope(rows, beside(cos, rows, from), beside(sin, rows, from), {});
        await expectSameRows(turn, heads, part);
      },
    ));

  it("does not hold without the mode", async () => {
    const usual = await wasm({ build, threads, grain: 1 });
    await init(usual);
    expect(usual.batchInvariant).toBe(false);
    using w = weight("f32", 33, 576, usual);
    using x = normal([20, 576], usual);
    const rows = expectSameRows((t) => matmul(t, w, { transposeB: true }), x, { m: 20, first: 3, count: 1 });
    await expect(rows).rejects.toThrow();
    usual.dispose();
  });
});
