import { definedOps, testBackend } from "@lowrank/core/testing";
import { afterAll, describe, expect, it } from "vitest";
import { kernel, wasm } from "./index.ts";
import { kernels } from "./kernels/index.ts";

for (const build of ["simd", "relaxed"] as const) {
  for (const threads of [1, 2]) {
    // A grain this small cuts every kernel call that can be cut.
    const backend = await wasm({ build, threads, grain: 1 });
    describe(`wasm, ${build}, threads: ${threads}`, () => {
      afterAll(() => backend.dispose());

      it("has its threads", () => expect(backend.threads).toBe(threads));
      for (const { name, run } of testBackend(backend)) it(name, run);
    });
  }
}

it("has a kernel for every op that training and generation spend time in", () => {
  const named = new Set(kernels.map(({ op }) => op));
  // Tests in the same page define ops of their own, which have a prefix.
  const own = [...definedOps().values()].filter(({ name }) => !name.includes("/"));
  const others = own.filter(({ name, view }) => !view && !named.has(name));
  expect(others.map(({ name }) => name).sort()).toEqual([
    "attentionDropout",
    "attentionDropoutBackward",
    "expm1",
    "flip",
    "inRange",
    "log1p",
    "oneHot",
    "solve",
    "topk",
    "triangle",
  ]);
});

it("has no kernel for an op that does not exist", () => {
  expect(kernels.filter(({ op }) => !definedOps().has(op))).toEqual([]);
});

it("refuses a second kernel for an op", async () => {
  const second = kernel("matmul", () => {});
  await expect(wasm({ kernels: [second] })).rejects.toThrow(
    'wasm: the op "matmul" has two kernels; leave one of them out',
  );
});
