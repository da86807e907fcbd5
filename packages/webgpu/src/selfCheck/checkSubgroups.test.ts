import { afterEach, expect, it, vi } from "vitest";
import type { GpuTensor } from "../kernel/kernel.ts";
import type { Dispatch } from "../kernel/shader.ts";
import { subgroupsWork } from "./checkSubgroups.ts";

afterEach(() => void vi.restoreAllMocks());

/** A trial on a device that computes the given sum and maximum. */
function trialOf(sum: number, largest: number) {
  const placed: (readonly [shape: readonly number[], values: readonly number[]])[] = [];
  const runs: Dispatch[] = [];
  const trial = {
    place: (shape: readonly number[], values: Float32Array) => {
      placed.push([shape, Array.from(values)]);
      return { shape, dtype: "f32", size: values.length } as unknown as GpuTensor;
    },
    run: (all: readonly Dispatch[]) => void runs.push(...all),
    // Further values after the two of the result are not compared.
    read: async () => new Uint8Array(Float32Array.of(sum, largest, 7).buffer),
  };
  return { trial, placed, runs };
}

it("subgroups work if the sum and the maximum of 150 values are right", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const { trial, placed, runs } = trialOf(11_325, 150);
  expect(await subgroupsWork("test/right subgroups", trial)).toBe(true);
  expect(placed).toEqual([
    [[150], Array.from({ length: 150 }, (_, i) => 150 - i)],
    [[2], [150, 149]],
  ]);
  expect(runs.map(({ groups, words }) => [groups, Array.from(words)])).toEqual([
    [
      [1, 1, 1],
      [1, 150],
    ],
  ]);
  // The result is known for later devices of the adapter.
  const later = trialOf(0, 0);
  expect(await subgroupsWork("test/right subgroups", later.trial)).toBe(true);
  expect([later.runs, warn.mock.calls]).toEqual([[], []]);
});

it.each([
  [11_324, 150],
  [11_325, 149],
])("subgroups do not work if they give %d and %d", async (sum, largest) => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const adapter = `test/wrong subgroups ${sum}`;
  expect(await subgroupsWork(adapter, trialOf(sum, largest).trial)).toBe(false);
  expect(warn.mock.calls).toEqual([[`webgpu: subgroups compute wrong values on ${adapter}; kernels do without them`]]);
});
