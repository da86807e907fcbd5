import { expect, it } from "vitest";
import { inverseFrequencies } from "./rope.ts";

it("frequencies fall from 1 to nearly 1 / theta", () => {
  expect(Array.from(inverseFrequencies({ theta: 10_000, scaling: null }, 4))).toEqual([1, Math.fround(0.01)]);
});

it("linear scaling divides all of them", () => {
  const plain = inverseFrequencies({ theta: 10_000, scaling: null }, 8);
  const scaled = inverseFrequencies({ theta: 10_000, scaling: { type: "linear", factor: 4 } }, 8);
  expect(Array.from(scaled)).toEqual(Array.from(plain, (f) => f / 4));
});

it("llama3 scaling keeps the fast ones, divides the slow ones and joins them smoothly", () => {
  const scaling = {
    ...{ type: "llama3" as const, factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 8192,
  };
  const plain = inverseFrequencies({ theta: 500_000, scaling: null }, 128);
  const ratios = inverseFrequencies({ theta: 500_000, scaling }, 128).map((f, i) => f / plain[i]);
  expect(ratios[0]).toBe(1);
  expect(ratios[63]).toBeCloseTo(1 / 8, 6);
  const between = ratios.filter((r) => r > 0.126 && r < 0.999);
  expect(between.length).toBeGreaterThan(3);
  expect(Array.from(between)).toEqual(Array.from(between).sort((a, b) => b - a));
});
