import { opsWithoutKernel, testBackend } from "@lowrank/core/testing";
import { describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

for (const build of ["simd", "relaxed"] as const) {
  const backend = await wasm({ build });
  describe(`wasm, ${build}`, () => {
    for (const { name, run } of testBackend(backend)) it(name, run);
  });
}

it("has a kernel for every op that training and generation spend time in", () => {
  expect(opsWithoutKernel()).toEqual(["expm1", "flip", "log1p", "oneHot", "topk", "triangle"]);
});
