import { f32ToBf16, f32ToF16 } from "@lowrank/core";
import { expectClose } from "@lowrank/core/testing";
import { describe, expect, test } from "vitest";
import type { BuildName } from "./builds/kernelBuild.ts";
import { hasRelaxedSimd } from "./builds/loadBuild.ts";
import { type BareKernels, bareKernels } from "./testing/bareKernels.ts";

const MEMORY_PAGES = 400;

/** One product: stored matrices with leading dimensions, as the kernel's flags describe them. */
interface Product {
  m: number;
  n: number;
  k: number;
  transA?: boolean;
  transB?: boolean;
  alpha?: number;
  accumulate?: boolean;
  pad?: number;
}

/** Instantiates a build whose scratch and heap are full of NaN. */
async function load(build: BuildName, tile: number): Promise<BareKernels> {
  const loaded = await bareKernels(build, MEMORY_PAGES);
  const { kernels, memory, heapBase } = loaded;
  new Float32Array(memory.buffer, heapBase).fill(Number.NaN);
  kernels.setScratch(heapBase);
  kernels.setTile(tile);
  return loaded;
}

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 31 - 1;
}

/** Random values, drawn once. */
const pool = Float32Array.from({ length: 2 ** 20 }, random);

/** Returns a range of the pool at a random position. */
function drawn(size: number): Float32Array {
  const start = Math.floor(((random() + 1) / 2) * (pool.length - size));
  return pool.subarray(start, start + size);
}

function layout(product: Product): {
  lda: number;
  ldb: number;
  ldc: number;
  aSize: number;
  bSize: number;
  cSize: number;
} {
  const { m, n, k, transA, transB, pad = 0 } = product;
  const lda = (transA ? m : k) + pad;
  const ldb = (transB ? k : n) + pad;
  const ldc = n + pad;
  return { lda, ldb, ldc, aSize: lda * (transA ? k : m), bSize: ldb * (transB ? n : k), cSize: ldc * m };
}

/** A product by its definition in float64; `sizes` are the sums of magnitudes. */
interface Expected {
  sums: Float64Array;
  sizes: Float64Array;
}

const known = new Map<string, Expected>();

/**
 * Computes the product by its definition, in float64, and the sums of magnitudes, which scale the rounding errors.
 * Operands depend only on the product and the fill, so each build and tile uses the same ones, and this is computed
 * once.
 */
function reference(name: string, ...operands: Parameters<typeof multiply>): Expected {
  const found = known.get(name) ?? multiply(...operands);
  known.set(name, found);
  return found;
}

function multiply(product: Product, a: Float32Array, b: Float32Array, c: Float32Array): Expected {
  const { m, n, k, transA, transB, alpha = 1, accumulate } = product;
  const { lda, ldb, ldc } = layout(product);
  const [sums, sizes] = [new Float64Array(m * n), new Float64Array(m * n)];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = accumulate ? c[i * ldc + j]! : 0;
      let size = Math.abs(sum);
      for (let p = 0; p < k; p++) {
        const term = alpha * a[transA ? p * lda + i : i * lda + p]! * b[transB ? j * ldb + p : p * ldb + j]!;
        sum += term;
        size += Math.abs(term);
      }
      sums[i * n + j] = sum;
      sizes[i * n + j] = size;
    }
  }
  return { sums, sizes };
}

/**
 * Runs one product with random operands, or with those from `fill`: the same for equal products. Returns the result,
 * and the previous C.
 */
function run({ kernels, memory, heapBase }: BareKernels, product: Product, fill?: () => number) {
  const { m, n, k, transA = false, transB = false, alpha = 1, accumulate = false } = product;
  const { lda, ldb, ldc, aSize, bSize, cSize } = layout(product);
  seed = 1 + 7919 * m + 104_729 * n + 1_299_709 * k + Number(transA) + 2 * Number(transB);
  const aAt = heapBase + kernels.scratchBytes();
  const bAt = aAt + aSize * 4;
  const cAt = bAt + bSize * 4;
  const [a, b] = [aSize, bSize].map((size) => (fill ? new Float32Array(size).map(fill) : drawn(size))) as [
    Float32Array,
    Float32Array,
  ];
  const before = drawn(cSize);
  new Float32Array(memory.buffer, aAt, aSize).set(a);
  new Float32Array(memory.buffer, bAt, bSize).set(b);
  const c = new Float32Array(memory.buffer, cAt, cSize);
  c.set(before);
  kernels.gemm(aAt, bAt, cAt, m, n, k, lda, ldb, ldc, Number(transA), Number(transB), alpha, Number(accumulate));
  return { a, b, before, c, ldc };
}

function check(loaded: BareKernels, product: Product): void {
  const { a, b, before, c, ldc } = run(loaded, product);
  const { m, n } = product;
  const { sums, sizes } = reference(JSON.stringify(product), product, a, b, before);
  let worst = 0;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const at = i * n + j;
      const error = Math.abs(c[i * ldc + j]! - sums[at]!) / (sizes[at]! + 1e-30);
      if (!(error <= worst)) worst = error;
    }
    for (let j = n; j < ldc; j++) {
      if (c[i * ldc + j] !== before[i * ldc + j]) throw new Error(`${JSON.stringify(product)} wrote beyond row ${i}`);
    }
  }
  expect(worst, JSON.stringify(product)).toBeLessThan(2e-6);
}

const names: BuildName[] = hasRelaxedSimd() ? ["simd", "relaxed"] : ["simd"];
const tilings = ["", ", tiles of 8x8", ", wide tiles"];
const modes = [
  { transA: false, transB: false },
  { transA: false, transB: true },
  { transA: true, transB: false },
  { transA: true, transB: true },
];
const odd = [1, 2, 3, 5, 7, 17, 33];

for (const [name, tile] of names.flatMap((name) => tilings.map((_, tile) => [name, tile] as const))) {
  describe(`gemm, ${name} build${tilings[tile]}`, () => {
    const loaded = load(name, tile);

    test.each(modes)("small and odd sizes, %o", async (mode) => {
      for (const m of odd) for (const n of odd) for (const k of odd) check(await loaded, { m, n, k, ...mode });
    });

    test.each(modes)("sizes around the blocks, %o", async (mode) => {
      const shapes: [number, number, number][] = [
        [65, 130, 257],
        [130, 65, 300],
        [257, 33, 513],
        [300, 17, 65],
        [97, 1030, 40],
        [1, 1030, 300],
        [4, 300, 1030],
        [3, 257, 2100],
        [300, 1, 257],
        [130, 3, 300],
        [65, 7, 130],
        [2, 1030, 520],
        [12, 203, 130],
        [16, 19, 2050],
        [1030, 2, 515],
      ];
      for (const [m, n, k] of shapes) check(await loaded, { m, n, k, ...mode });
    });

    test.each(modes)("leading dimensions, alpha and accumulation, %o", async (mode) => {
      for (const m of [1, 3, 7, 50]) {
        for (const n of [1, 4, 9, 40]) {
          for (const k of [1, 6, 270]) {
            check(await loaded, { m, n, k, ...mode, pad: 3, alpha: -0.37, accumulate: true });
            check(await loaded, { m, n, k, ...mode, pad: 5, alpha: 2.5 });
          }
        }
      }
    });

    test.each(modes)("an empty inner size gives zeros, or C itself when accumulating, %o", async (mode) => {
      for (const m of [0, 1, 9]) {
        for (const n of [0, 1, 9]) {
          check(await loaded, { m, n, k: 0, ...mode, pad: 2 });
          check(await loaded, { m, n, k: 0, ...mode, accumulate: true });
        }
      }
    });

    test.each(modes)("NaN and infinity spread as in IEEE arithmetic, %o", async (mode) => {
      const values = [0, 1, -2, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0.5, 3, 1, 1, 1];
      const pick = () => values[Math.floor((random() + 1) * 6)]!;
      const pickRarely = () => (random() > 0.98 ? pick() : Math.floor(random() * 8));
      for (const [m, n, k] of [
        [1, 9, 3],
        [2, 17, 2],
        [4, 33, 3],
        [7, 1, 3],
        [9, 4, 2],
        [13, 16, 3],
        [31, 41, 4],
        [1, 9, 50],
        [3, 9, 54],
        [6, 22, 201],
        [22, 3, 67],
      ] as const) {
        const product: Product = { m, n, k, ...mode };
        const { a, b, before, c } = run(await loaded, product, k > 4 ? pickRarely : pick);
        reference(`special ${JSON.stringify(product)}`, product, a, b, before).sums.forEach((sum, i) => {
          if (!Object.is(c[i]! + 0, sum + 0))
            throw new Error(`${JSON.stringify(product)} at ${i}: ${c[i]}, not ${sum}`);
        });
      }
    });

    test("batches step by their strides, and a stride of 0 repeats the matrix", async () => {
      const { kernels, memory, heapBase } = await loaded;
      const [batch, m, n, k] = [3, 5, 9, 6];
      for (const [strideA, strideB] of [
        [m * k, k * n],
        [m * k, 0],
        [0, k * n],
      ] as const) {
        for (const mode of modes) {
          const aAt = heapBase + kernels.scratchBytes();
          const bAt = aAt + batch * m * k * 4;
          const cAt = bAt + batch * k * n * 4;
          const one = cAt + batch * m * n * 4;
          const floats = (at: number, length: number) => new Float32Array(memory.buffer, at, length);
          for (const view of [floats(aAt, batch * m * k), floats(bAt, batch * k * n)]) view.set(view.map(random));
          const sizes = [m, n, k, mode.transA ? m : k, mode.transB ? k : n, n] as const;
          const flags = [Number(mode.transA), Number(mode.transB), 0.5, 0] as const;
          kernels.gemmBatched(aAt, bAt, cAt, batch, strideA, strideB, m * n, ...sizes, ...flags);
          for (let i = 0; i < batch; i++) {
            kernels.gemm(aAt + i * strideA * 4, bAt + i * strideB * 4, one, ...sizes, ...flags);
            expect([...floats(cAt + i * m * n * 4, m * n)]).toEqual([...floats(one, m * n)]);
          }
        }
      }
    });

    test("a half-precision weight gives what its f32 copy gives, whole or in parts", async () => {
      const { kernels, memory, heapBase } = await loaded;
      const [wAt, aAt] = [heapBase + kernels.scratchBytes(), heapBase + kernels.scratchBytes() + (1 << 20)];
      const [wideAt, outAt, partsAt] = [aAt + (1 << 20), aAt + (3 << 20), aAt + (4 << 20)];
      for (const [m, n, k] of [
        [1, 1, 1],
        [3, 40, 19],
        [29, 9, 33],
        [25, 403, 387],
        [64, 48, 270],
      ] as const) {
        const floats = (at: number, length: number) => new Float32Array(memory.buffer, at, length);
        floats(aAt, m * k).set(floats(aAt, m * k).map(random));
        for (const [format, dtype] of [
          [1, "f16"],
          [2, "bf16"],
        ] as const) {
          const codes = new Uint16Array(memory.buffer, wAt, n * k);
          const values = Float32Array.from({ length: n * k }, random);
          if (dtype === "f16") f32ToF16(values, codes);
          else f32ToBf16(values, codes);
          kernels.cast(wAt, wideAt, n * k, format, 0);
          for (const transposed of [0, 1]) {
            kernels.gemmWeight(aAt, wAt, format, 0, outAt, m, n, k, transposed, 0.5, 0);
            const whole = floats(outAt, m * n).slice();
            floats(partsAt, m * n).fill(Number.NaN);
            for (const part of [0, 1, 2]) {
              kernels.gemmWeightPart(aAt, wAt, format, 0, partsAt, m, n, k, transposed, 0.5, 0, part, 3);
            }
            expect(floats(partsAt, m * n)).toEqual(whole);
            const name = `${dtype} ${m}x${n}x${k}${transposed ? " transposed" : ""}`;
            kernels.gemmWeight(aAt, wideAt, 0, 0, outAt, m, n, k, transposed, 0.5, 0);
            // Products of few rows or columns are summed in another order in f32.
            expectClose(name, { shape: [m, n], data: whole }, { shape: [m, n], data: floats(outAt, m * n) }, 2e-6);
          }
        }
      }
    });
  });
}
