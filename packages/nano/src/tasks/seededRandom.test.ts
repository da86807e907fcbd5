import { expect, test } from "vitest";
import { seededRandom } from "./seededRandom.ts";

function draws(seed: number, stream: string, count: number): number[] {
  const random = seededRandom(seed, stream);
  return Array.from({ length: count }, () => random.below(1000));
}

test("the same seed and stream give the same draws", () => {
  expect(draws(7, "train", 50)).toEqual(draws(7, "train", 50));
  expect(draws(7, "train", 50)).not.toEqual(draws(8, "train", 50));
  expect(draws(7, "train", 50)).not.toEqual(draws(7, "test", 50));
});

test("draws are even over their range", () => {
  const random = seededRandom(1, "even");
  const counts = new Array<number>(10).fill(0);
  for (let at = 0; at < 20_000; at++) counts[random.below(10)]++;
  for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
  let hits = 0;
  for (let at = 0; at < 20_000; at++) if (random.chance(0.25)) hits++;
  expect(Math.abs(hits - 5000)).toBeLessThan(250);
});

test("a chance is true for values below it, not for the same value", () => {
  const value = seededRandom(1, "chances").below(2 ** 32) / 2 ** 32;
  expect(seededRandom(1, "chances").chance(value)).toBe(false);
  expect(seededRandom(1, "chances").chance(value + 2 ** -32)).toBe(true);
});
