import { afterEach, expect, test, vi } from "vitest";
import { TimeLeft, workPlans } from "./trainReporter.ts";

afterEach(() => vi.restoreAllMocks());

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

test("work that is still to come is counted as by going through the steps", () => {
  for (const maxSteps of [1, 4, 6, 7]) {
    for (const every of [null, 1, 2, 3, 4, 7, 9]) {
      for (const atEnd of [true, false]) {
        const left = new TimeLeft(maxSteps, { evaluation: { every, atEnd }, save: never, samples: never });
        left.side("evaluation", 2);
        left.side("evaluation", 4);
        for (let step = 0; step <= maxSteps; step++) {
          if (step > 0) left.step(step, 0);
          let times = atEnd ? 1 : 0;
          for (let later = step + 1; later < maxSteps; later++) if (every !== null && later % every === 0) times++;
          expect(left.seconds, `${step} of ${maxSteps}, every ${every}`).toBe(3 * times);
        }
      }
    }
  }
});

test("work takes the time since the last step or the work before", () => {
  let now = 5000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const end = { every: null, atEnd: true };
  const left = new TimeLeft(1, { evaluation: end, save: end, samples: end });
  now += 250;
  left.did("samples");
  expect(left.seconds).toBe(0.25);
  now += 4000;
  left.begin();
  now += 1000;
  left.did("evaluation");
  now += 500;
  left.did("save");
  expect(left.seconds).toBe(0.25 + 1 + 0.5);
});

test("a training evaluates if there are validation examples, and answers if there are prompts", () => {
  const every = { evalEvery: 2, saveEvery: 3, sampleEvery: 4 };
  const [never, save] = [
    { every: null, atEnd: false },
    { every: 3, atEnd: true },
  ];
  expect(workPlans(every, { validation: 0, prompts: 1 })).toEqual({
    ...{ evaluation: never, save, samples: { every: 4, atEnd: true } },
  });
  expect(workPlans(every, { validation: 1, prompts: 0 })).toEqual({
    ...{ evaluation: { every: 2, atEnd: true }, save, samples: never },
  });
  const end = { every: null, atEnd: true };
  expect(workPlans({}, { validation: 1, prompts: 1 })).toEqual({ evaluation: end, save: end, samples: end });
});
