import { Random } from "@lowrank/test-support/random";
import { expect, test } from "vitest";
import { fitSlope, isUpward, leastLife, type Slope } from "./judge.ts";

const MB = 1e6;
/** Half an hour of samples of a process of 150 MB, plus garbage that grows to 60 MB and is collected. */
function memory(leakPerSecond: number) {
  const random = new Random(1);
  return Array.from({ length: 1800 }, (_, seconds) => {
    const warm = 40 * MB * (1 - Math.exp(-seconds / 100));
    return { seconds, bytes: 110 * MB + warm + leakPerSecond * seconds + 60 * MB * random.next() };
  });
}

test("a steady process with garbage has no upward slope", () => {
  expect(isUpward(fitSlope(memory(0)) as Slope)).toBe(false);
});

test("a leak of 10 KB a second is one, and its size is found", () => {
  const slope = fitSlope(memory(10_000)) as Slope;
  expect(isUpward(slope)).toBe(true);
  expect(slope.perSecond).toBeGreaterThan(9000);
  expect(slope.perSecond).toBeLessThan(11_000);
  expect(slope.seconds).toBeCloseTo(1259, 0);
});

test("a short life has no line", () => {
  expect(fitSlope(memory(0).slice(0, leastLife - 1))).toBe(null);
  expect(fitSlope(memory(0).slice(0, leastLife + 2))).not.toBe(null);
});
