import { expect, test } from "vitest";
import type { GgufParts } from "../../gguf/ggufForm.ts";
import type { RopeConfig } from "../../rope/ropeConfig.ts";
import { proportionalFactors, readProportional } from "./gguf.ts";

const rope = (factor: number, partialRotaryFactor: number): RopeConfig => ({
  ...{ theta: 1e6, partialRotaryFactor: 1 },
  scaling: { type: "proportional", factor, partialRotaryFactor },
});
const read = (factors: number[] | undefined, dim: number) =>
  readProportional(
    {
      metadata: { where: "a.gguf" },
      ropeFactors: new Map(factors ? [["rope_freqs.weight", Float32Array.from(factors)]] : []),
    } as unknown as GgufParts,
    dim,
  );

test("frequencies that turn are divided by the factor, and the others by 1e30", () => {
  const written = (config: RopeConfig, dim: number) => proportionalFactors(config, dim)["rope_freqs.weight"];
  expect(written(rope(2, 0.5), 8)).toEqual([2, 2, 1e30, 1e30]);
  expect(written(rope(1, 1), 4)).toEqual([1, 1]);
  expect(written(rope(1, 0), 4)).toEqual([1e30, 1e30]);
  expect(written({ theta: 1, partialRotaryFactor: 1, scaling: null }, 4)).toEqual([1, 1]);
  const linear = { theta: 1, partialRotaryFactor: 1, scaling: { type: "linear", factor: 2 } } as const;
  expect(() => written(linear, 4)).toThrow('"linear"; a GGUF file can only mean default or proportional');
});

test("every number of turning frequencies is read back", () => {
  for (const dim of [2, 6, 8, 12, 14, 96, 98]) {
    for (let turning = 0; turning <= dim / 2; turning++) {
      const factors = Array.from({ length: dim / 2 }, (_, i) => (i < turning ? 2.5 : 1e30));
      const { rope_type, factor, partial_rotary_factor: part } = read(factors, dim);
      expect([rope_type, factor]).toEqual(["proportional", turning === 0 ? 1 : 2.5]);
      expect(Math.floor((Number(part) * dim) / 2)).toBe(turning);
      expect(Number(part)).toBeGreaterThanOrEqual(turning / (dim / 2));
      expect(Number(part)).toBeLessThan((turning + 1) / (dim / 2));
    }
  }
});

test("divisors that are not those of the first frequencies are refused", () => {
  expect(read([3, 1.1e20], 4)).toMatchObject({ factor: 3, partial_rotary_factor: 0.5 });
  for (const wrong of [[3, 2], [1e30, 3], [3, 3, 1e30], [3], [3, 9e19]]) {
    expect(() => read(wrong, 4)).toThrow("a.gguf: rope_freqs.weight must have 2 factors: equal ones first");
  }
  expect(() => read(undefined, 4)).toThrow('the tensor "rope_freqs.weight" is missing');
});
