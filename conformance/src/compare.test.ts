import { expect, test } from "vitest";
import { compare, type Results, usualTolerances } from "./compare.ts";

const results = (entries: Record<string, number[]>): Results =>
  new Map(Object.entries(entries).map(([name, values]) => [name, Float32Array.from(values)]));

test("agreement within the tolerance is no problem, and the largest difference of a kind is kept", () => {
  const { differences, problems } = compare(
    results({ "grad.a": [1, 2], "grad.b": [0, 4] }),
    results({ "grad.a": [1, 2], "grad.b": [2 ** -14, 4] }),
  );
  expect(problems).toEqual([]);
  expect(differences.get("grad")).toBe(2 ** -16);
});

test("gradients may differ by rounding noise, by itself or beside the largest, and what they differ by is told", () => {
  const noise = compare(results({ "grad.a": [3e-8, -1e-8] }), results({ "grad.a": [-2e-8, 4e-8] }));
  expect(noise.problems).toEqual([]);
  expect(noise.differences.get("grad")).toBeCloseTo(5e-8 / 1e-2, 10);
  const beside = (largest: number) =>
    compare(results({ "grad.a": [3e-5], "grad.b": [largest] }), results({ "grad.a": [2e-5], "grad.b": [largest] }));
  expect(beside(2).problems).toEqual([]);
  expect(beside(0.5).problems).toHaveLength(1);
});

test("a loss near zero is compared by what float32 knows of it", () => {
  const compared = (ours: number, theirs: number) =>
    compare(results({ loss: [ours] }), results({ loss: [theirs] })).problems;
  expect(compared(0.0010005, 0.001)).toEqual([]);
  expect(compared(0.001005, 0.001)).toHaveLength(1);
  expect(compared(1.00002, 1)).toHaveLength(1);
});

test("a tolerance may be wider where that is said", () => {
  const [ours, theirs] = [results({ logits: [1.001] }), results({ logits: [1] })];
  expect(compare(ours, theirs).problems).toHaveLength(1);
  expect(compare(ours, theirs, { ...usualTolerances, logits: 2e-3 }).problems).toEqual([]);
});

test.each([
  ["a difference", [1, 2.001], [1, 2]],
  ["a NaN", [1, Number.NaN], [1, 2]],
  ["a NaN on both sides", [1, Number.NaN], [1, Number.NaN]],
  ["another length", [1, 2, 3], [1, 2]],
  ["noise where there should be nothing", [0, 1e-9], [0, 0]],
])("%s is a problem", (_, ours, theirs) => {
  expect(compare(results({ logits: ours }), results({ logits: theirs })).problems).toHaveLength(1);
});

test("a result that one side lacks is a problem", () => {
  expect(compare(results({ logits: [1] }), results({ logits: [1], loss: [1] })).problems).toEqual([
    "Lowrank gives no loss",
  ]);
  expect(compare(results({ logits: [1], loss: [1] }), results({ logits: [1] })).problems).toEqual([
    "PEFT gives no loss",
  ]);
});
