import { expect, test } from "vitest";
import { codebook, codeOf } from "./packedFormat.ts";

// Sixteen values from -1 to 0.875 whose codes are in descending order of the values.
const values = Array.from({ length: 16 }, (_, code) => (7 - code) / 8);
const book = codebook(
  values,
  values.map((_, i) => 15 - i),
);

test("the thresholds are the fifteen midpoints in ascending order", () => {
  expect([...book.thresholds]).toEqual(Array.from({ length: 15 }, (_, i) => (i - 7.5) / 8));
});

test("a value gets the code of the nearest value, and at a midpoint that of the lower value", () => {
  expect(values.map((value) => codeOf(book, value))).toEqual(values.map((_, code) => code));
  expect([-9, -1, -0.9375, -0.9374, 0.8125, 0.8126, 9].map((x) => codeOf(book, x))).toEqual([15, 15, 15, 14, 1, 0, 0]);
});
