import { expect, it } from "vitest";
import { medianInterval } from "./interval.ts";

const counted = (count: number) => Array.from({ length: count }, (_, i) => count - i);

it("of ten values the second and the ninth: 1 in 46 medians lies outside", () => {
  expect(medianInterval(counted(10))).toEqual({ ratio: 5.5, low: 2, high: 9 });
});

it("of six the whole range, of twenty the sixth to the fifteenth", () => {
  expect(medianInterval(counted(6))).toEqual({ ratio: 3.5, low: 1, high: 6 });
  expect(medianInterval(counted(20))).toEqual({ ratio: 10.5, low: 6, high: 15 });
});

it("refuses fewer than six", () => {
  expect(() => medianInterval(counted(5))).toThrow("needs 6 values or more; there are 5");
});
