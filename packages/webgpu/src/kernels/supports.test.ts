import type { BackendOp, TensorSpec } from "@lowrank/core/backend";
import { expect, it } from "vitest";
import { kernelTable } from "../device/kernelTable.ts";
import type { GpuFacts } from "../kernel/kernel.ts";

const supports = (op: string, inputs: readonly number[][], params: unknown, buffers = 10): boolean => {
  const limits = { maxStorageBuffersPerShaderStage: buffers } as GpuFacts["limits"];
  const facts: GpuFacts = { limits, features: new Set(), software: true, batchInvariant: false, tile: "direct 8x4" };
  const specs = inputs.map((shape): TensorSpec => ({ shape, dtype: "f32" }));
  return kernelTable([], facts).supports({ name: op } as BackendOp<unknown>, specs, params);
};

const heads = (size: number) => [
  [1, 4, 2, size],
  [1, 5, 1, size],
  [1, 5, 1, size],
];

it.each([
  ["attention", (size: number) => heads(size)],
  ["attentionBackward", (size: number) => [[1, 4, 2, size], ...heads(size)]],
  ["attentionDropout", (size: number) => heads(size)],
  ["attentionDropoutBackward", (size: number) => [[1, 4, 2, size], ...heads(size)]],
  ["pagedAttention", (size: number) => [[2, 6, size]]],
])("%s has a kernel for heads of at most 256 elements", (op, inputs) => {
  expect(supports(op, inputs(256), {})).toBe(true);
  expect(supports(op, inputs(257), {})).toBe(false);
});

it.each([
  [[1, 4_294_967_291, 1, 8], [1, 1, 1, 8], {}, true],
  [[1, 2 ** 30 - 1, 2, 8], [1, 2, 2, 8], {}, false],
  [[2, 2 ** 16, 2, 8], [2, 2 ** 15, 1, 8], {}, false],
  [[2, 2 ** 16, 2, 8], [2, 2 ** 15, 1, 8], { keyLength: 5 }, true],
  [[2, 2 ** 16, 2, 257], [2, 5, 1, 257], {}, false],
] as const)(
  "dropout of the weights of q %j and k %j %j has a kernel below 2^32 - 4 weights",
  (q, k, params, wanted) => {
    const inputs = [[...q], [...k], [...k]];
    expect(supports("attentionDropout", inputs, params)).toBe(wanted);
    expect(supports("attentionDropoutBackward", [[...q], ...inputs], params)).toBe(wanted);
  },
);

it("adamStep8bit has a kernel on devices with nine storage buffers", () => {
  expect([8, 9].map((buffers) => supports("adamStep8bit", [], {}, buffers))).toEqual([false, true]);
});
