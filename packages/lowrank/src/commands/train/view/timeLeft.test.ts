import { expect, test } from "vitest";
import { TimeLeft } from "./timeLeft.ts";

const never = { every: null, atEnd: false };

test("steps alone take their mean time", () => {
  const left = new TimeLeft(10, { evaluation: never, save: never, samples: never });
  expect(left.seconds).toBe(0);
  left.step(1, 1);
  left.step(2, 3);
  expect(left.seconds).toBe(16);
});

test("validations, saves and answers are counted as often as they come, at the end too", () => {
  const left = new TimeLeft(10, {
    evaluation: { every: 4, atEnd: true },
    save: { every: 5, atEnd: true },
    samples: { every: null, atEnd: true },
  });
  left.step(1, 1);
  expect(left.seconds).toBe(9);
  // The evaluation before the first step shows how long one takes. Three more are due, after steps 4, 8 and 10.
  left.side("evaluation", 10);
  expect(left.seconds).toBe(9 + 30);
  left.side("samples", 7);
  expect(left.seconds).toBe(9 + 30 + 7);
  for (const step of [2, 3, 4, 5]) left.step(step, 1);
  // Two more evaluations are due, after steps 8 and 10. The one after step 4 has run.
  expect(left.seconds).toBe(5 + 20 + 7);
  left.side("save", 2);
  expect(left.seconds).toBe(5 + 20 + 7 + 2);
});
