import { Generator, randn, reference } from "@lowrank/core";
import { readF16 } from "@lowrank/core/internal";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import golden from "./encodeBlocks.gen.json" with { type: "json" };
import ggml from "./ggmlBlocks.gen.json" with { type: "json" };
import { decodeBlocks, encodeBlocks, encodedLength, encodings, type GgufEncoding } from "./types/ggmlTypes.ts";

const types = Object.keys(encodings) as GgufEncoding[];
const wide = types.filter((type) => encodings[type].block.elements === 256);
const narrow = types.filter((type) => !wide.includes(type));
const fromHex = (text: string) => Uint8Array.from(text.match(/../g) as string[], (pair) => Number.parseInt(pair, 16));
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

test.each(narrow)("%s: the bytes of gguf-py", (type) => {
  const { [type as keyof typeof golden.encoded]: expected } = golden.encoded;
  expect(hex(encodeBlocks(type, Float32Array.from(golden.values), "w"))).toBe(expected);
});

test.each(wide)("%s: the bytes of ggml's reference quantiser", (type) => {
  const { [type as keyof typeof ggml.encoded]: expected } = ggml.encoded;
  expect(hex(encodeBlocks(type, new Float32Array(fromHex(ggml.values).buffer), "w"))).toBe(expected);
});

test.each(wide)("%s: numbers come back nearer than the coarsest of its steps", (type) => {
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0.05, max: 100, noNaN: true }), (seed, size) => {
      const numbers = randn([256], { generator: new Generator(seed), backend: reference() }).dataSync();
      const values = Float32Array.from(numbers, (x) => x * size);
      const back = decodeBlocks(encodings[type], encodeBlocks(type, values, "w"));
      const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      // A group's range is at most twice its largest magnitude, divided into 15, 31 or 63 steps.
      const steps = { Q4_K: 15, Q5_K: 31, Q6_K: 63 }[type as "Q4_K"];
      for (const [i, x] of back.entries()) expect(Math.abs(x - values[i])).toBeLessThan((2 * largest) / steps);
    }),
    { numRuns: 20 },
  );
});

const block = fc.array(fc.float({ min: -2000, max: 2000, noNaN: true }), { minLength: 32, maxLength: 32 });

const packed = narrow.filter((type) => encodings[type].packed);

test.each(packed)("%s: numbers come back within half a step", (type) => {
  // q4_0 and q5_0 have one step less on the side opposite to the largest magnitude, so the error at that end can be a
  // whole step.
  const half = type === "Q4_0" || type === "Q5_0" ? 1 : 1 / 2;
  fc.assert(
    fc.property(block, (numbers) => {
      const bytes = encodeBlocks(type, Float32Array.from(numbers), "w");
      const values = decodeBlocks(encodings[type], bytes);
      const step = Math.abs(readF16(bytes, 0));
      const largest = Math.max(...numbers.map(Math.abs));
      // Half a step, plus the rounding errors of an f16 scale (times the largest code) and an f16 minimum: 2^-11
      // relative, or below 2^-24.
      const bound = half * step + largest * 2 * 2 ** -11 * 1.01 + 129 * 2 ** -25;
      for (const [i, value] of values.entries()) expect(Math.abs(value - numbers[i])).toBeLessThanOrEqual(bound);
    }),
  );
});

describe("refuses", () => {
  const withOne = (value: number, at = 9) => Float32Array.from({ length: 256 }, (_, i) => (i === at ? value : 1));

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("%d in a quantised block", (value) => {
    for (const type of [...packed, ...wide]) {
      for (const at of [0, 9, 31, 255]) {
        expect(() => encodeBlocks(type, withOne(value, at), "lm_head.weight")).toThrow(
          `lm_head.weight holds a number that is not finite, which ${type} cannot store`,
        );
      }
    }
  });

  test("scales that f16 cannot hold", () => {
    expect(() => encodeBlocks("Q8_0", withOne(1e7), "w")).toThrow("w holds values too large for an f16 scale");
    expect(() => encodeBlocks("Q4_1", withOne(-7e4), "w")).toThrow("w holds values too large for an f16 scale");
  });

  test("numbers beyond f16, and keeps infinities that were there", () => {
    expect(() => encodeBlocks("F16", withOne(65520), "w")).toThrow("w holds 65520, beyond f16's 65504");
    expect(hex(encodeBlocks("F16", withOne(Number.POSITIVE_INFINITY, 0), "w").subarray(0, 4))).toBe("007c003c");
  });

  test("numbers that fill no whole block", () => {
    expect(() => encodeBlocks("Q4_1", new Float32Array(33), "w")).toThrow("w: 33 values are not a multiple of 32");
    expect(() => encodeBlocks("Q6_K", new Float32Array(32), "w")).toThrow("w: 32 values are not a multiple of 256");
  });
});

test("lengths count whole blocks", () => {
  const lengths = Object.fromEntries(types.map((type) => [type, encodedLength(type, 512)]));
  expect(lengths).toMatchObject({ F32: 2048, F16: 1024, BF16: 1024, Q4_0: 288, Q4_1: 320, Q8_0: 544, Q4_K: 288 });
  for (const type of types)
    expect(decodeBlocks(encodings[type], new Uint8Array(lengths[type])), type).toHaveLength(512);
});
