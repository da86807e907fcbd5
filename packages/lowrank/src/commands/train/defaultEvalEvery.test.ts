import { expect, test } from "vitest";
import { defaultEvalEvery } from "./defaultEvalEvery.ts";

const every = (steps: number, examplesPerStep: number, validationExamples: number) =>
  defaultEvalEvery({ steps, examplesPerStep, validationExamples });

test("a run validates every tenth of its steps if that is cheap", () => {
  expect(every(1000, 8, 50)).toBe(100);
  expect(every(1005, 8, 50)).toBe(101);
  expect(every(10, 8, 1)).toBe(1 + 1);
});

test("it validates less often if validations would take over 5 % of the time", () => {
  // 540 examples to train on, three times, and 60 to validate on.
  expect(every(204, 8, 60)).toBe(51);
  for (const [steps, examplesPerStep, validationExamples] of [
    [204, 8, 60],
    [3000, 4, 900],
    [77, 16, 30],
  ]) {
    const step = every(steps, examplesPerStep, validationExamples) as number;
    const during = Math.ceil(steps / step) - 1;
    expect(during).toBeGreaterThan(0);
    expect((0.45 * during * validationExamples) / (steps * examplesPerStep)).toBeLessThanOrEqual(0.05);
  }
});

test("it validates only before and after training if one more validation takes longer, or without data", () => {
  expect(every(5, 4, 6)).toBeUndefined();
  expect(every(1000, 8, 0)).toBeUndefined();
  expect(every(1, 1000, 1)).toBeUndefined();
});
