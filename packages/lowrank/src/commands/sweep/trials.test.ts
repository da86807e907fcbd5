import { expect, test } from "vitest";
import { drawTrials, gridOf } from "./trials.ts";

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
