import { expect, test } from "vitest";
import { bf16, f16, f32 } from "./ggmlTypes.ts";

const values = Float32Array.of(1, -2.5, 0, 0.125);

test.each([f32, f16, bf16])("$name is read from any address, as it is written", (type) => {
  const bytes = type.encode(values, "x");
  expect(bytes.length).toBe((values.length * type.block.bytes) / type.block.elements);
  for (let at = 0; at < 4; at++) {
    const moved = new Uint8Array(bytes.length + at);
    moved.set(bytes, at);
    const out = new Float32Array(values.length);
    type.decode(moved.subarray(at), out);
    expect(out).toEqual(values);
  }
  expect(type.encode(values.subarray(1, 3), "x")).toEqual(bytes.slice(bytes.length / 4, (3 * bytes.length) / 4));
});

test("f16 holds numbers up to 65504, and infinities", () => {
  const decoded = (...given: number[]) => {
    const out = new Float32Array(given.length);
    f16.decode(f16.encode(Float32Array.from(given), "x"), out);
    return [...out];
  };
  expect(decoded(65504, -65504, Infinity, -Infinity)).toEqual([65504, -65504, Infinity, -Infinity]);
  expect(decoded(65519)).toEqual([65504]);
  for (const value of [65520, -65520, 1e6]) {
    expect(() => decoded(value)).toThrow(`x holds ${value}, beyond f16's 65504; write bf16 or f32`);
    expect(() => decoded(1, value, 1)).toThrow(`x holds ${value}, beyond`);
  }
  expect(decoded(Number.NaN)).toEqual([Number.NaN]);
});
