import { expect, test } from "vitest";
import { describeSpectrum, rankOfEnergy } from "./spectrum.ts";

const describe = (values: number[], sizes: readonly [number, number] = [4, 5]) =>
  describeSpectrum(Float64Array.from(values), sizes);

test("norms, ranks and energy by hand", () => {
  const found = describe([4, 2, 2, 1]);
  expect(found.frobeniusNorm).toBe(5);
  expect(found.rank).toBe(4);
  expect(found.stableRank).toBe(25 / 16);
  expect([...found.energy]).toEqual([16 / 25, 20 / 25, 24 / 25, 1]);
  // Shares 4/9, 2/9, 2/9, 1/9.
  const entropy = -(4 / 9) * Math.log(4 / 9) - 2 * (2 / 9) * Math.log(2 / 9) - (1 / 9) * Math.log(1 / 9);
  expect(found.effectiveRank).toBeCloseTo(Math.exp(entropy), 12);
  expect(describe([3, 3, 3]).effectiveRank).toBeCloseTo(3, 12);
  expect(describe([3, 3, 3]).stableRank).toBe(3);
  expect(describe([7, 0, 0])).toMatchObject({ rank: 1, effectiveRank: 1, stableRank: 1, frobeniusNorm: 7 });
});

test("small values have the shares of large ones", () => {
  const found = describe([0.5, 0.25]);
  expect(found.stableRank).toBe(1.25);
  expect([...found.energy]).toEqual([0.8, 1]);
});

test("values up to the rounding of f32 are no rank", () => {
  const noise = 5 * 2 ** -23;
  expect(describe([1, noise]).rank).toBe(1);
  expect(describe([1, noise * 1.001]).rank).toBe(2);
  expect(describe([2, noise * 1.001]).rank).toBe(1);
  expect(describe([1, noise * 1.001], [6, 5]).rank).toBe(1);
});

test("a matrix of zeros has no rank and no energy", () => {
  const zeros = describe([0, 0]);
  expect(zeros).toMatchObject({ rank: 0, effectiveRank: 0, stableRank: 0, frobeniusNorm: 0 });
  expect([...zeros.energy]).toEqual([0, 0]);
  expect(rankOfEnergy(zeros, 0.5)).toBe(0);
  expect(describe([])).toMatchObject({ rank: 0, effectiveRank: 0, stableRank: 0, frobeniusNorm: 0 });
});

test("the rank of an energy is the least number of values that hold it", () => {
  const found = describe([4, 2, 2, 1]);
  const ranks = [0, 0.5, 16 / 25, 0.65, 0.8, 0.95, 0.97, 1].map((share) => rankOfEnergy(found, share));
  expect(ranks).toEqual([1, 1, 1, 2, 2, 3, 4, 4]);
  expect(rankOfEnergy(found, 1.5)).toBe(4);
});
