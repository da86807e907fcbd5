import { expect, it, test } from "vitest";
import golden from "./schedules.gen.json" with { type: "json" };
import * as schedules from "./schedules.ts";

// Factors of transformers' schedules, written by conformance/python/schedules.py.

type Make = (options: object) => schedules.Schedule;
const { constant: _, ...made } = schedules;
const makers: Readonly<Record<string, Make>> = made as never;
const cases = golden.map((one) => ({ ...one, title: `${one.name} ${JSON.stringify(one.options)}` }));

test.each(cases)("$title has the factors of transformers", ({ name, options, factors }) => {
  const schedule = makers[name](options);
  for (const [step, factor] of factors.entries()) expect(schedule(step), `step ${step}`).toBeCloseTo(factor, 12);
});

it("linear falls to a share of the peak, and stays there", () => {
  const schedule = schedules.linear({ warmupSteps: 2, totalSteps: 6, minLrRate: 0.25 });
  const factors = Array.from({ length: 9 }, (_, step) => schedule(step));
  expect(factors).toEqual([0, 0.5, 1, 0.8125, 0.625, 0.4375, 0.25, 0.25, 0.25]);
});

it("constant is 1 at all steps", () => {
  expect([0, 1, 1000].map(schedules.constant())).toEqual([1, 1, 1]);
});

it("polynomial falls to 1e-7 along a line by default", () => {
  const schedule = schedules.polynomial({ warmupSteps: 0, totalSteps: 4, lr: 1e-6 });
  for (const [step, factor] of [1, 0.775, 0.55, 0.325, 0.1, 0.1].entries())
    expect(schedule(step)).toBeCloseTo(factor, 12);
});

it("polynomial of power 0 falls after the last step, as in transformers", () => {
  const schedule = schedules.polynomial({ warmupSteps: 0, totalSteps: 4, lr: 1e-6, power: 0 });
  expect([0, 3, 4].map(schedule)).toEqual([1, 1, 1]);
  expect(schedule(5)).toBeCloseTo(0.1, 12);
});

it("polynomial refuses a rate that is not above its end", () => {
  const sizes = { warmupSteps: 0, totalSteps: 4 };
  expect(() => schedules.polynomial({ ...sizes, lr: 1e-7 })).toThrow("lr 1e-7 must be above lrEnd 1e-7");
  expect(() => schedules.polynomial({ ...sizes, lr: Number.NaN })).toThrow("lr NaN must be above lrEnd 1e-7");
  expect(schedules.polynomial({ ...sizes, lr: 1.1e-7 })(0)).toBe(1);
});
