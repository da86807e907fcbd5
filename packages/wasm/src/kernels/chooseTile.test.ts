import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { Kernels } from "./kernelTypes.gen.ts";
import { chooseTile, tileTrialBytes } from "./trials.ts";

/** A fake clock in milliseconds, since other work would affect the machine's clock. */
let clock = 0;

beforeEach(() => {
  const now = vi.spyOn(performance, "now").mockImplementation(() => {
    clock += 1e-4;
    return clock;
  });
  onTestFinished(() => now.mockRestore());
});

/** Kernels whose product takes the given microseconds of that clock, by tile. */
function machine(microseconds: readonly number[]): { kernels: Kernels; products(): number } {
  let tile = 0;
  let count = 0;
  const gemm = (): void => {
    count++;
    clock += microseconds[tile] / 1000;
  };
  const setTile = (chosen: number): void => {
    tile = chosen;
  };
  return { kernels: { fill: () => {}, gemm, setTile } as unknown as Kernels, products: () => count };
}

test("the fastest tile is taken, and measured once for a mode", () => {
  const { kernels, products } = machine([200, 100, 150]);
  expect(chooseTile(kernels, 0, "fast second")).toBe(1);
  const before = products();
  expect(before).toBeGreaterThan(0);
  expect(chooseTile(kernels, 0, "fast second")).toBe(1);
  expect(products()).toBe(before);
  expect(chooseTile(machine([300, 300, 100]).kernels, 0, "fast third")).toBe(2);
});

test("the usual tile stays where no other is clearly faster", () => {
  expect(chooseTile(machine([100, 200, 200]).kernels, 0, "slow others")).toBe(0);
  expect(chooseTile(machine([200, 200, 200]).kernels, 0, "all alike")).toBe(0);
});

test("each product is in the memory that was given for it, which is zero", () => {
  const at = 4096;
  const filled: number[][] = [];
  const calls: number[][] = [];
  const kernels = {
    fill: (...args: number[]) => filled.push(args),
    setTile: () => {},
    gemm: (...args: number[]) => {
      calls.push(args);
      clock += 0.1;
    },
  };
  chooseTile(kernels as unknown as Kernels, at, "memory");
  expect(filled).toEqual([[at, tileTrialBytes / 4, 0]]);
  for (const [a, b, c, m, n, k, ...others] of calls) {
    expect([m, n, k]).toEqual([m, m, m]);
    expect([a, b, c].map((ptr) => ptr - at)).toEqual([0, 4 * m * m, 8 * m * m]);
    expect(12 * m * m).toBe(tileTrialBytes);
    expect(others).toEqual([m, m, m, 0, 0, 1, 0]);
  }
});

test("a trial takes some 40 ms", () => {
  const start = clock;
  chooseTile(machine([100, 100, 100]).kernels, 0, "time");
  expect(clock - start).toBeGreaterThan(30);
  expect(clock - start).toBeLessThan(50);
});
