import { Generator } from "@lowrank/core";
import { expect, test } from "vitest";
import { compareScores } from "./compareScores.ts";
import { holm } from "./holm.ts";

const settings = { resamples: 4000, seed: 1, alpha: 0.05 };

test("adapters with equal scores differ by nothing", () => {
  const a = [0.5, 1, 0, 2];
  const found = compareScores({ a, b: a }, settings);
  expect(found).toEqual({ difference: 0, low: 0, high: 0, p: 1, items: 4, differing: 0 });
});

test("the mean is over parts, and ties count as items", () => {
  const found = compareScores({ a: [6, 2, 5], b: [2, 2, 5], sizes: [2, 1, 5] }, settings);
  expect(found).toMatchObject({ difference: 0.5, items: 3, differing: 1 });
  // One item that differs is no evidence: with random signs, its sum always has the same size.
  expect(found.p).toBe(1);
});

test("the p-value of few items is that of all their signs", () => {
  // All of the six signs must agree: 2 of 64 cases. The bootstrap's own share is smaller.
  const a = [1, 1.1, 0.9, 1.2, 0.8, 1];
  const { p } = compareScores({ a, b: a.map(() => 0) }, { ...settings, resamples: 100_000 });
  expect(p).toBeGreaterThan(2 / 64 - 0.002);
  expect(p).toBeLessThan(2 / 64 + 0.002);
});

test("a real difference is found, with its sign and an interval around it", () => {
  const generator = new Generator(7);
  const noise = new Float32Array(60);
  generator.fillNormal(noise, 0.5, 0.6);
  const [a, b] = [Array.from(noise), Array.from(noise, () => 0)];
  const found = compareScores({ a, b }, settings);
  expect(found.p).toBeLessThan(0.001);
  expect(found.low).toBeGreaterThan(0);
  expect(found.low).toBeLessThan(found.difference);
  expect(found.high).toBeGreaterThan(found.difference);
  const swapped = compareScores({ a: b, b: a }, settings);
  expect(swapped.difference).toBe(-found.difference);
  expect(swapped.p).toBeCloseTo(found.p, 3);
});

test("equal differences on all items are found, whatever their rounding is", () => {
  for (const delta of [1, 0.1, 1 / 3]) {
    const a = Array.from({ length: 30 }, (_, i) => i + delta);
    const found = compareScores({ a, b: a.map((value) => value - delta) }, settings);
    expect(found.p).toBe(1 / 4001);
  }
});

test("a seed gives the same result, and another seed another one", () => {
  const scores = { a: [1, 2, 3, 5, 4, 2, 1, 1], b: [1, 1, 3, 4, 4, 3, 0, 1] };
  expect(compareScores(scores, settings)).toEqual(compareScores(scores, settings));
  expect(compareScores(scores, { ...settings, seed: 2 }).p).not.toBe(compareScores(scores, settings).p);
});

test("Holm's correction gives the values of R's p.adjust", () => {
  // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
  const corrected = holm([0.01, 0.04, 0.03, 0.005]);
  for (const [i, value] of [0.03, 0.06, 0.06, 0.02].entries()) expect(corrected[i]).toBeCloseTo(value, 12);
  expect(holm([0.6, 0.9])).toEqual([1, 1]);
  expect(holm([])).toEqual([]);
});
