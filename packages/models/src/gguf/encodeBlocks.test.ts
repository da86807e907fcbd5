import { halfAt } from "@lowrank/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import golden from "./encodeBlocks.gen.json" with { type: "json" };
import { decodeBlocks, encodeBlocks, encodedLength, encodings, type GgufEncoding } from "./ggmlTypes.ts";

const types = Object.keys(encodings) as GgufEncoding[];
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

test.each(types)("%s: the bytes of gguf-py", (type) => {
  expect(hex(encodeBlocks(type, Float32Array.from(golden.values), "w"))).toBe(golden.encoded[type]);
});

const block = fc.array(fc.float({ min: -2000, max: 2000, noNaN: true }), { minLength: 32, maxLength: 32 });

const packed = types.filter((type) => encodings[type].packed);

test.each(packed)("%s: numbers come back within half a step", (type) => {
  // q4_0 has 8 steps on the side of the largest magnitude and 7 on the other, whose
  // end is off by a whole one.
  const half = type === "Q4_0" ? 1 : 1 / 2;
  fc.assert(
    fc.property(block, (numbers) => {
      const bytes = encodeBlocks(type, Float32Array.from(numbers), "w");
      const values = decodeBlocks(encodings[type], bytes);
      const step = Math.abs(halfAt(bytes, 0));
      const largest = Math.max(...numbers.map(Math.abs));
      // Half a step, and what an f16 scale (times the largest code) and an f16 minimum are off
      // by: 2^-11, or below 2^-24.
      const bound = half * step + largest * 2 * 2 ** -11 * 1.01 + 129 * 2 ** -25;
      for (const [i, value] of values.entries()) expect(Math.abs(value - numbers[i])).toBeLessThanOrEqual(bound);
    }),
  );
});

describe("refuses", () => {
  const withOne = (value: number, at = 9) => Float32Array.from({ length: 32 }, (_, i) => (i === at ? value : 1));

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("%d in a quantised block", (value) => {
    for (const type of packed) {
      for (const at of [0, 9, 31]) {
        expect(() => encodeBlocks(type, withOne(value, at), "lm_head.weight")).toThrow(
          `lm_head.weight holds a number that is not finite, which ${type} cannot store`,
        );
      }
    }
  });

  test("scales that f16 cannot hold", () => {
    expect(() => encodeBlocks("Q8_0", withOne(1e7), "w")).toThrow("w holds numbers too large for an f16 scale");
    expect(() => encodeBlocks("Q4_1", withOne(-7e4), "w")).toThrow("w holds numbers too large for an f16 scale");
  });

  test("numbers beyond f16, and keeps infinities that were there", () => {
    expect(() => encodeBlocks("F16", withOne(65520), "w")).toThrow("w holds 65520, beyond f16's 65504");
    expect(hex(encodeBlocks("F16", withOne(Number.POSITIVE_INFINITY, 0), "w").subarray(0, 4))).toBe("007c003c");
  });

  test("numbers that fill no whole block", () => {
    expect(() => encodeBlocks("Q4_1", new Float32Array(33), "w")).toThrow("w: 33 numbers are no whole blocks of 32");
  });
});

test("lengths count whole blocks", () => {
  const lengths = Object.fromEntries(types.map((type) => [type, encodedLength(type, 64)]));
  expect(lengths).toMatchObject({ F32: 256, F16: 128, BF16: 128, Q4_0: 36, Q4_1: 40, Q8_0: 68 });
});
