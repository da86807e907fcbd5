import { expect, it } from "vitest";
import { within } from "./compare.ts";
import { exceptionOf } from "./exceptions.ts";

const name = "ops/066.softmaxLarge.d0";

it("a named check may be off by its subnormal number, and by no more", () => {
  const off = (value: number) => within(name, [0], [value], 0);
  expect(exceptionOf("webgpu", off(2.9987787136551085e-43))).toContain("subnormal");
  expect(exceptionOf("webgpu", off(2 ** -140))).toBeUndefined();
  expect(exceptionOf("webgpu", off(Number.NaN))).toBeUndefined();
  expect(exceptionOf("webgpu", { name, error: "it threw" })).toBeUndefined();
  expect(exceptionOf("wasm", off(2.9987787136551085e-43))).toBeUndefined();
});
