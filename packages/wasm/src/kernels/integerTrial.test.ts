import { dtypes } from "@lowrank/core/backend";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Scratch } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";
import { chooseNibbleSums, mediumKernels, mediumWeightBits } from "./trials.ts";

/** Bytes of the rows of a product in byte codes, with an f32 scale for each 32 elements. */
const byteRows = (rows: number, k: number, planes: number) => rows * k * planes + (4 * rows * k) / 32;
const byteWeight = (n: number, k: number) => n * k + 4 * n;
const shortRows = (rows: number, k: number) => 2 * rows * k + 4 * rows;
const shortWeight = (rows: number, columns: number) => 2 * rows * columns + 4 * Math.ceil(rows / 64) * columns;
const workBytes = 1000;

/**
 * Kernels whose products take the given milliseconds by kind of sums, on a fake clock. Each checks that its operands
 * are in memory of the right sizes.
 */
function machine(cost: { shorts: number; bytes: number; nibbles: readonly [wide: number, short: number] }) {
  let now = 0;
  const spy = vi.spyOn(performance, "now").mockImplementation(() => {
    now += 1e-4;
    return now;
  });
  onTestFinished(() => spy.mockRestore());
  let end = 64;
  const sizes = new Map<number, number>();
  const zeroed = new Map<number, number>();
  const scratch = ((bytes: number) => {
    const ptr = end;
    end += bytes;
    sizes.set(ptr, bytes);
    return ptr;
  }) as Scratch;
  const has = (ptr: number, bytes: number, zero = false) => {
    expect(sizes.get(ptr)).toBeGreaterThanOrEqual(bytes);
    if (zero) expect(zeroed.get(ptr)).toBeGreaterThanOrEqual(bytes);
  };
  let inShort = 0;
  const calls: string[] = [];
  const k = {
    fill: (ptr: number, words: number, value: number) => {
      expect(value).toBe(0);
      // Memory is allocated at least in whole words.
      expect(4 * words).toBeLessThan((sizes.get(ptr) ?? 0) + 4);
      zeroed.set(ptr, 4 * words);
    },
    codesScratch: () => workBytes,
    int8RowsBytes: byteRows,
    int8WeightBytes: byteWeight,
    int16RowsBytes: shortRows,
    int16WeightBytes: shortWeight,
    quantizeInt16: (x: number, out: number, m: number, inner: number) => {
      has(x, 4 * m * inner, true);
      has(out, shortRows(m, inner));
    },
    quantizeInt8: (x: number, out: number, m: number, inner: number, planes: number) => {
      expect(planes).toBe(1);
      has(x, 4 * m * inner, true);
      has(out, byteRows(m, inner, planes));
    },
    // biome-ignore format: the kernel's arguments in its own order
    int16Product: (x: number, w: number, rows: number, columns: number, transposed: number, c: number, m: number,
      first: number, last: number, work: number, wide: number, xf: number, wf: number) => {
      calls.push("shorts");
      now += cost.shorts;
      expect([transposed, first, last, wide, xf, wf]).toEqual([1, 0, rows, 0, 0, 0]);
      has(x, shortRows(m, columns));
      has(w, shortWeight(rows, columns), true);
      has(c, 4 * m * rows);
      has(work, workBytes);
    },
    // biome-ignore format: the kernel's arguments in its own order
    int8Product: (x: number, w: number, c: number, m: number, n: number, inner: number, first: number, last: number,
      work: number) => {
      calls.push("bytes");
      now += cost.bytes;
      expect([first, last]).toEqual([0, n]);
      has(x, byteRows(m, inner, 1));
      has(w, byteWeight(n, inner), true);
      has(c, 4 * m * n);
      has(work, workBytes);
    },
    setShortSums: (is: number) => {
      inShort = is;
    },
    // biome-ignore format: the kernel's arguments in its own order
    linearInt8: (x: number, planes: number, w: number, format: number, c: number, m: number, n: number, inner: number,
      first: number, last: number, work: number) => {
      calls.push(`nibbles ${inShort}`);
      now += cost.nibbles[inShort];
      expect([planes, first, last, dtypes[format]]).toEqual([1, 0, n, "q4_1"]);
      has(x, byteRows(m, inner, planes), true);
      // A block of q4_1 has 32 codes of 4 bits, and a scale and a minimum of 16 bits each.
      has(w, (n * inner * 20) / 32, true);
      has(c, 4 * m * n);
      has(work, workBytes);
    },
  };
  return { k: k as unknown as Kernels, scratch, calls, sums: () => inShort, time: () => now };
}

test.each([
  [2, 1, 7],
  [1, 2, 14],
  [1, 1, 14],
] as const)("weights in f32 have codes of the faster kind: shorts %s ms, bytes %s ms", (shorts, bytes, bits) => {
  const { k, scratch, calls } = machine({ shorts, bytes, nibbles: [1, 1] });
  expect(mediumKernels(k)).toEqual({});
  expect(mediumWeightBits(k, scratch)).toBe(bits);
  expect(mediumKernels(k)).toEqual({ weightBits: bits });
  expect(new Set(calls)).toEqual(new Set(["shorts", "bytes"]));
  const { length } = calls;
  expect(mediumWeightBits(k, scratch)).toBe(bits);
  expect(calls).toHaveLength(length);
});

test.each([
  [2, 1, 1],
  [1, 2, 0],
  [1, 1, 0],
] as const)("products of 4-bit codes are summed in the faster way: %s ms or %s ms", (wide, short, inShort) => {
  const { k, scratch, calls, sums } = machine({ shorts: 2, bytes: 1, nibbles: [wide, short] });
  expect(chooseNibbleSums(k, scratch)).toBe(inShort);
  expect(sums()).toBe(inShort);
  expect(mediumKernels(k)).toEqual({ nibbleSumBits: inShort ? 16 : 32 });
  expect(new Set(calls)).toEqual(new Set(["nibbles 0", "nibbles 1"]));
  const { length } = calls;
  expect(chooseNibbleSums(k, scratch)).toBe(inShort);
  expect(calls).toHaveLength(length);
  // Both choices are kept.
  expect(mediumWeightBits(k, scratch)).toBe(7);
  expect(mediumKernels(k)).toEqual({ weightBits: 7, nibbleSumBits: inShort ? 16 : 32 });
});

test("a trial takes some 150 ms, while nothing is faster than the first way", () => {
  const { k, scratch, time } = machine({ shorts: 0.75, bytes: 0.75, nibbles: [0.75, 0.75] });
  mediumWeightBits(k, scratch);
  expect(time()).toBeGreaterThan(140);
  expect(time()).toBeLessThan(190);
  const start = time();
  chooseNibbleSums(k, scratch);
  expect(time() - start).toBeGreaterThan(140);
  expect(time() - start).toBeLessThan(190);
});
