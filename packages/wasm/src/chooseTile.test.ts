import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { chooseTile } from "./chooseTile.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** In milliseconds. The machine's own clock would let other work of it decide. */
let clock = 0;

beforeEach(() => {
  const now = vi.spyOn(performance, "now").mockImplementation(() => {
    clock += 1e-4;
    return clock;
  });
  onTestFinished(() => now.mockRestore());
});

/** Kernels whose product takes some microseconds of that clock, by tile. */
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
