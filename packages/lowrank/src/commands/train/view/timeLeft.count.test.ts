import { expect, test } from "vitest";
import { TimeLeft } from "./timeLeft.ts";

const never = { every: null, atEnd: false };

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
