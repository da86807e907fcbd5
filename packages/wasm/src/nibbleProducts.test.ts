import { blockFormats } from "@lowrank/core";
import { dtypes } from "@lowrank/core/backend";
import { describe, expect, it } from "vitest";
import type { BuildName } from "./builds/kernelBuild.ts";
import { hasRelaxedSimd } from "./builds/loadBuild.ts";
import { bareKernels } from "./testing/bareKernels.ts";
import { difference } from "./testing/sameOnBackends.ts";

const formats = ["q4_0", "q4_1", "q4_k", "q5_0", "q5_1", "q5_k"] as const;

type Format = (typeof formats)[number];

/** X [m,k] and the blocks of W [k,n]. */
interface Operands {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly x: Float32Array;
  readonly format: Format;
  readonly blocks: Uint8Array;
}

/** The build that computes a product, and the column at which it is cut in two (0: not cut). */
type Way = readonly [build: BuildName, cut: number];

const ways: readonly Way[] = [
  ["simd", 0],
  ["simd", 32],
  ...(hasRelaxedSimd()
    ? ([
        ["relaxed", 0],
        ["relaxed", 32],
      ] as const)
    : []),
];

/** Computes X W by the kernels, and the values that the blocks represent. */
async function product(operands: Operands, [build, cut]: Way): Promise<[Float32Array, Float32Array]> {
  const { m, k: inner, n, x: numbers, format, blocks } = operands;
  const { kernels: k, memory, heapBase, later } = await bareKernels(build, 128);
  let end = heapBase;
  const room = (bytes: number): number => {
    const at = Math.ceil(end / 64) * 64;
    end = at + bytes;
    return at;
  };
  const [x, w, out, wide] = [room(4 * m * inner), room(blocks.length), room(4 * m * n), room(4 * inner * n)];
  const [codes, work] = [room(later.int11RowsBytes(m, inner)), room(later.nibbleProductScratch())];
  new Float32Array(memory.buffer, x, numbers.length).set(numbers);
  new Uint8Array(memory.buffer, w, blocks.length).set(blocks);
  const dtype = dtypes.indexOf(format);
  expect(later.quantizeInt11(x, codes, m, inner)).toBe(0);
  for (const [first, last] of cut > 0
    ? [
        [cut, n],
        [0, cut],
      ]
    : [[0, n]]) {
    k.nibbleProduct(codes, w, dtype, out, m, n, inner, first, last, work);
  }
  k.unpackRow(dtype, w, 0, inner * n, wide);
  return [new Float32Array(memory.buffer, out, m * n), new Float32Array(memory.buffer, wide, inner * n)];
}

/** X W in f64. */
function exact({ m, k, n, x }: Operands, w: Float32Array): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) out[i * n + j] += x[i * k + p] * w[p * n + j];
  }
  return out;
}

/** Approximately normally distributed values, the same in each run. */
function normal(count: number, seed: number): Float32Array {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(7 * uniform()));
}

/** Random operands with at least `n` columns, rounded up to whole blocks. */
function random(format: Format, [m, k, least]: readonly [number, number, number]): Operands {
  const { elements } = blockFormats[format].block;
  const n = Math.ceil(least / elements) * elements;
  const blocks = blockFormats[format].pack(normal(k * n, 7), "a weight");
  return { m, k, n, x: normal(m * k, 5), format, blocks };
}

describe.each(formats)("products of bytes with %s across its blocks", (format) => {
  // 50 blocks along the contraction are more than are processed at a time.
  it.each([
    [7, 96, 64],
    [4, 32, 32],
    [33, 1600, 96],
  ] as const)("of %i x %i x %i have the same bits in all builds, and errors of 8 bits", async (...sizes) => {
    const operands = random(format, sizes);
    const results = [];
    for (const way of ways) results.push(await product(operands, way));
    const [first, w] = results[0];
    for (const [other] of results) expect(other).toEqual(first);
    // The step is a 127th of the largest of 32 normally distributed values, about 2.1, with a uniform error of 0.29
    // steps. The largest values and the largest scales are at different positions.
    expect(difference(first, exact(operands, w))).toBeLessThan(1e-2);
    expect(difference(first, exact(operands, w))).toBeGreaterThan(1e-4);
  });

  it("do not overflow where all codes are the largest", async () => {
    const operands = random(format, [5, 96, 64]);
    operands.x.fill(-3);
    const bytes = operands.blocks;
    const { bytes: size, halves } = blockFormats[format].block;
    bytes.fill(255);
    for (let at = 0; at < bytes.length; at += size) {
      for (const half of halves) bytes.fill(0, at + half, at + half + 2);
      bytes[at + 1] = 0x2c;
    }
    for (const way of ways) {
      const [found, w] = await product(operands, way);
      expect(difference(found, exact(operands, w))).toBeLessThan(1e-3);
    }
  });

  it("take zeros in rows and in scales", async () => {
    const operands = random(format, [6, 64, 64]);
    operands.x.fill(0, 64, 128);
    const size = blockFormats[format].block.bytes;
    for (let at = 0; at < operands.blocks.length; at += 2 * size) operands.blocks.fill(0, at, at + 2);
    for (const way of ways) {
      const [found, w] = await product(operands, way);
      expect([...found.subarray(operands.n, 2 * operands.n)].every((value) => value === 0)).toBe(true);
      expect(difference(found, exact(operands, w))).toBeLessThan(1e-2);
    }
  });
});

it("rows with NaN, infinity or elements above 2^80 have no codes", async () => {
  const { memory, heapBase, later } = await bareKernels("simd", 16);
  const x = Math.ceil(heapBase / 64) * 64;
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.3e24, -3e38]) {
    new Float32Array(memory.buffer, x, 64).fill(1)[40] = value;
    expect(later.quantizeInt11(x, x + 1024, 2, 32)).toBe(1);
  }
});
