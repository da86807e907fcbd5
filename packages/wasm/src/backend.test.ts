import { opsWithoutKernel, testBackend } from "@lowrank/core/testing";
import { afterAll, describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

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
  expect(opsWithoutKernel()).toEqual(["expm1", "flip", "log1p", "oneHot", "solve", "topk", "triangle"]);
});
