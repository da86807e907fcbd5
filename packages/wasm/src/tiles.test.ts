import { describe, expect, test } from "vitest";
import type { BuildName } from "./builds/kernelBuild.ts";
import { hasRelaxedSimd } from "./builds/loadBuild.ts";
import type { Kernels } from "./kernels/kernelTypes.gen.ts";
import { bareKernels } from "./testing/bareKernels.ts";

// Results have the same bits for any tile.

const builds: BuildName[] = hasRelaxedSimd() ? ["simd", "relaxed"] : ["simd"];
// More rows than a block of logits holds.
const [rows, width, classes, parts] = [323, 40, 77, 2];

interface Machine {
  k: Kernels;
  memory: WebAssembly.Memory;
  /** Allocates memory. */
  take(bytes: number): number;
  /** Writes values between -1 and 1. */
  numbers(count: number, step: number): number;
}

async function machine(build: BuildName, tile: number): Promise<Machine> {
  const { kernels: k, memory, heapBase } = await bareKernels(build, 512);
  let end = Math.ceil(heapBase / 64) * 64;
  const take = (size: number): number => {
    const at = end;
    end += Math.ceil(size / 64) * 64;
    return at;
  };
  const numbers = (count: number, step: number): number => {
    const at = take(4 * count);
    new Float32Array(memory.buffer, at, count).set(
      Float32Array.from({ length: count }, (_, i) => ((i * step) % 10007) / 5003 - 1),
    );
    return at;
  };
  k.setScratch(take(k.scratchBytes()));
  k.setTile(tile);
  return { k, memory, take, numbers };
}

/** Products of all kinds of shapes: several blocks, few rows, narrow, odd. */
const shapes = [
  [70, 576, 800],
  [33, 47, 1600],
  [16, 90, 1700],
  [9, 64, 300],
  [64, 31, 2100],
  [5, 17, 400],
  [100, 200, 60],
];

async function products(build: BuildName, tile: number): Promise<number[][]> {
  const { k, memory, take, numbers } = await machine(build, tile);
  const [a, b, c] = [numbers(140_000, 7919), numbers(470_000, 6007), take(4 * 41_000)];
  const results: number[][] = [];
  for (const [m, n, inner] of shapes) {
    for (const [transA, transB] of [0, 1].flatMap((left) => [0, 1].map((right) => [left, right]))) {
      const floats = new Float32Array(memory.buffer, c, m * n).fill(0.25);
      const strides = [transA ? m : inner, transB ? inner : n, n] as const;
      k.gemm(a, b, c, m, n, inner, ...strides, transA, transB, 0.5, 1);
      results.push([...floats]);
    }
  }
  return results;
}

/** The largest logits, masses and sums of a linear cross-entropy. */
async function crossEntropyParts(build: BuildName, tile: number): Promise<Float32Array> {
  const { k, memory, take, numbers } = await machine(build, tile);
  const [hidden, weight] = [numbers(rows * width, 37), numbers(classes * width, 29)];
  const [indices, labels] = [take(4 * rows), take(4 * rows)];
  for (let i = 0; i < rows; i++) {
    new Int32Array(memory.buffer, indices, rows)[i] = rows - 1 - i;
    new Int32Array(memory.buffer, labels, rows)[i] = (i * 7) % classes;
  }
  const panels = take(4 * (rows + 8) * width);
  k.linearCrossEntropyPack(hidden, indices, panels, rows, width, take(4 * 8 * width));
  const results = [4 * rows * parts, 8 * rows * parts, 4 * rows * parts * width, 4 * rows];
  const [tops, masses, sums, targets] = results.map(take);
  const own = take(k.linearCrossEntropyScratch());
  const found = [labels, tops, masses, sums, targets] as const;
  k.linearCrossEntropyPart(panels, weight, 0, 0, ...found, own, 0, parts, parts, rows, width, classes, 0, 0);
  const floats = (at: number, count: number): Float32Array => new Float32Array(memory.buffer, at, count);
  return Float32Array.from([
    ...floats(tops, rows * parts),
    ...new Float64Array(memory.buffer, masses, rows * parts),
    ...floats(sums, rows * parts * width),
    ...floats(targets, rows),
  ]);
}

for (const build of builds) {
  describe(`the ${build} build`, () => {
    test.each([1, 2])("multiplies with tile %i as with the usual one", async (tile) => {
      const expected = await products(build, 0);
      expect(expected.flat().every(Number.isFinite)).toBe(true);
      expect(await products(build, tile)).toEqual(expected);
    });

    test.each([1, 2])("gives the same cross-entropy with tile %i", async (tile) => {
      const expected = await crossEntropyParts(build, 0);
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(1);
      expect(await crossEntropyParts(build, tile)).toEqual(expected);
    });
  });
}
