import { expect, test } from "vitest";
import { erf } from "./erf.ts";

// Values of Python's math.erf.
const known: [number, number][] = [
  [0, 0],
  [1e-9, 1.1283791670955127e-9],
  [0.5, 0.5204998778130465],
  [1, 0.8427007929497149],
  [2, 0.9953222650189527],
  [2.9, 0.9999589021219005],
  [3, 0.9999779095030014],
  [3.5, 0.9999992569016276],
  [5, 0.9999999999984626],
];

test.each(known)("erf(%d) is Python's, to the last places, and odd", (x, wanted) => {
  expect(Math.abs(erf(x) - wanted)).toBeLessThanOrEqual(
    3e-16 * Math.max(1e-9, Math.abs(wanted)) + (x > 1e-3 ? 3e-16 : 0),
  );
  expect(erf(-x)).toBe(-erf(x));
});

test("both ways of computing it meet at 3", () => {
  const below = 3 - 2 ** -51;
  expect(Math.abs(erf(3) - erf(below))).toBeLessThan(1e-15);
});

test("it ends at 1, and keeps NaN and signs of zero", () => {
  for (const x of [6, 6.5, 40, Infinity]) expect([erf(x), erf(-x)]).toEqual([1, -1]);
  expect(erf(Number.NaN)).toBeNaN();
  expect(Object.is(erf(-0), -0)).toBe(true);
});
