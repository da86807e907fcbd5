import { Generator } from "@lowrank/core";
import { expect, test, vi } from "vitest";
import { drawTrials, gridOf } from "./sweepFile.ts";

const some = { values: ["lora", "dora"] };

test("a grid is all combinations", () => {
  const trials = gridOf({ method: some, r: { values: [2, 4, 8] } });
  expect(trials.length).toBe(6);
  expect(trials[0]).toEqual({ method: "lora", r: 2 });
  expect(trials[1]).toEqual({ method: "lora", r: 4 });
  expect(new Set(trials.map((trial) => JSON.stringify(trial))).size).toBe(6);
  expect(() => gridOf({ lr: { min: 1, max: 2, log: false, whole: false } })).toThrow("lr is a range");
});

test("drawn trials follow from the seed, each once, over the whole of a range", () => {
  const varied = {
    lr: { min: 1e-5, max: 1e-1, log: true, whole: false },
    r: { min: 1, max: 4, log: false, whole: true },
    method: some,
  };
  const trials = drawTrials(varied, 200, 3);
  expect(drawTrials(varied, 20, 3)).toEqual(trials.slice(0, 20));
  expect(drawTrials(varied, 20, 4)).not.toEqual(trials.slice(0, 20));
  const rates = trials.map(({ lr }) => lr as number);
  expect(rates.every((lr) => lr >= 1e-5 && lr <= 1e-1)).toBe(true);
  // Half of a range of four decades lies below its middle, by the logarithm.
  const low = rates.filter((lr) => lr < 1e-3).length / rates.length;
  expect(Math.abs(low - 0.5)).toBeLessThan(0.12);
  expect([...new Set(trials.map(({ r }) => r))].sort()).toEqual([1, 2, 3, 4]);
  expect(drawTrials({ method: some }, 10, 0).length).toBe(2);
});

test.each([
  { min: 2, max: 64, log: true, whole: true },
  { min: 3, max: 9, log: false, whole: true },
  { min: 1e-4, max: 0.5, log: true, whole: false },
  { min: 0.25, max: 0.75, log: false, whole: false },
])("a value of %j is at its uniform value's place of the range", (range) => {
  const { min, max, log, whole } = range;
  const trials = drawTrials({ x: range, y: range }, 40, 7);
  const generator = new Generator(7);
  // Whole values have equal parts of a range that ends one above the largest.
  const end = whole ? max + 1 : max;
  const seen = new Set<string>();
  const expected: number[][] = [];
  for (let drawn = 0; drawn < 20 * 40 && expected.length < 40; drawn++) {
    const places = new Float32Array(2);
    generator.fillUniform(places);
    const values = [...places].map((place) => {
      const at = log ? Math.exp((1 - place) * Math.log(min) + place * Math.log(end)) : (1 - place) * min + place * end;
      return whole ? Math.floor(at + 1e-9) : Number(at.toPrecision(4));
    });
    if (seen.has(values.join())) continue;
    seen.add(values.join());
    expected.push(values);
  }
  expect(trials.map(({ x, y }) => [x, y])).toEqual(expected);
});

test("trials are drawn 20 times as often as there are to be at most", () => {
  const draws = vi.spyOn(Generator.prototype, "fillUniform");
  expect(drawTrials({ method: some }, 3, 0).length).toBe(2);
  const { length } = draws.mock.calls;
  draws.mockRestore();
  expect(length).toBe(60);
});
