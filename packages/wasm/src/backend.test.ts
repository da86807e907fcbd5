import { definedOps, testBackend } from "@lowrank/core/testing";
import { afterAll, describe, expect, it } from "vitest";
import { kernel, wasm } from "./index.ts";
import { batchInvariantKernels } from "./kernels/batchInvariant.ts";
import { kernels } from "./kernels/index.ts";

for (const build of ["simd", "relaxed"] as const) {
  for (const [threads, batchInvariant] of [
    [1, false],
    [2, false],
    [2, true],
  ] as const) {
    // A grain this small divides every divisible kernel call.
    const backend = await wasm({ build, threads, grain: 1, batchInvariant });
    describe(`wasm, ${build}, threads: ${threads}${batchInvariant ? ", batch-invariant" : ""}`, () => {
      afterAll(() => backend.dispose());

      it("has its threads", () => expect(backend.threads).toBe(threads));
      for (const { name, run } of testBackend(backend)) it(name, run);
    });
  }
}

const allKernels = [...kernels, ...batchInvariantKernels];

it("has a kernel for every op that training and generation spend time in", () => {
  const named = new Set(allKernels.map(({ op }) => op));
  // Custom ops of other tests in the same page have a prefix.
  const own = [...definedOps().values()].filter(({ name }) => !name.includes("/"));
  const others = own.filter(({ name, view }) => !view && !named.has(name));
  expect(others.map(({ name }) => name).sort()).toEqual([
    "attentionDropout",
    "attentionDropoutBackward",
    "expm1",
    "flip",
    "inRange",
    "lionStep",
    "log1p",
    "oneHot",
    "powScalar",
    "solve",
    "topk",
    "triangle",
  ]);
});

it("has no kernel for an op that does not exist", () => {
  expect(allKernels.filter(({ op }) => !definedOps().has(op))).toEqual([]);
});

it("refuses a second kernel for an op", async () => {
  const second = kernel("matmul", () => {});
  await expect(wasm({ kernels: [second] })).rejects.toThrow(
    'wasm: the op "matmul" has two kernels; leave one of them out',
  );
});
