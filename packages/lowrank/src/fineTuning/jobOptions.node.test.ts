import type { FineTuneJob } from "@lowrank/serve/jobs";
import { expect, test } from "vitest";
import { optionsOf } from "./jobOptions.ts";

const rateOf = (options: object, learning_rate_multiplier: number | "auto" = "auto") => {
  const job = { hyperparameters: { learning_rate_multiplier }, seed: 1, options };
  return optionsOf(job as unknown as FineTuneJob).lr;
};

test("a job has the learning rate of lowrank train, times its multiplier", () => {
  expect([rateOf({}), rateOf({}, 2), rateOf({ lr: 0.5 }, 2)]).toEqual([2e-4, 4e-4, 1]);
  expect(rateOf({ optimizer: "lion" })).toBe(2e-5);
  expect(rateOf({ optimizer: "lion" }, 3)).toBeCloseTo(6e-5, 12);
});
