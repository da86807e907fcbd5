import { expect, test } from "vitest";
import { describeSearch } from "./findRate.ts";

const search = (losses: readonly number[], more: { suggestion?: number | null; diverged?: boolean } = {}) => {
  const trials = losses.map((smoothedLoss, i) => ({ learningRate: 10 ** (i - 7), loss: smoothedLoss, smoothedLoss }));
  return describeSearch({ suggestion: null, diverged: false, ...more, trials } as never);
};

test("a search is shown as rates and losses with bars from one sign to forty", () => {
  expect(search([1, 2, 3])).toEqual([
    "learning rate       loss",
    `       1.0e-7     1.0000  ${"#".repeat(1)}`,
    `       1.0e-6     2.0000  ${"#".repeat(21)}`,
    `       1.0e-5     3.0000  ${"#".repeat(40)}`,
    "the loss falls at none of these rates",
  ]);
  expect(search([2, 2])[2]).toBe("       1.0e-6     2.0000  #");
});

test("of many rates every second, third ... is shown, at most sixteen", () => {
  const shown = (count: number) => search(Array.from({ length: count }, (_, i) => i)).slice(1, -1);
  expect([1, 15, 16, 17, 32, 33, 48].map((count) => shown(count).length)).toEqual([1, 15, 16, 9, 16, 11, 16]);
  expect(shown(17)[1]).toMatch(/^ {7}1\.0e-5 {5}2\.0000/);
});

test("the rate to take has two digits, and the bound is the last rate that was tried", () => {
  expect(search([1, 2], { suggestion: 1.2345e-4 }).at(-1)).toBe(
    "suggested: --lr 0.00012, where the loss falls the fastest; nothing was written",
  );
  expect(search([1, 2], { diverged: true }).at(-2)).toBe("above 1.0e-6 the loss leaves all bounds");
  expect(search([1, 2])).toHaveLength(4);
  expect(search([], { diverged: true })).toEqual(["learning rate       loss", "the loss falls at none of these rates"]);
});
