import { Generator } from "@lowrank/core";
import { expect, test } from "vitest";
import { compareScores } from "./compareScores.ts";

const repetitions = 2000;
const alpha = 0.05;

/** Returns the share of comparisons with an alarm. Differences of 40 items are exponential values plus `shift`. */
function alarms(shift: number, seed: number): number {
  const generator = new Generator(seed);
  const uniform = new Float32Array(40);
  let found = 0;
  for (let run = 0; run < repetitions; run++) {
    generator.fillUniform(uniform, 0, 1);
    const a = Array.from(uniform, (u) => -Math.log(1 - u) + shift);
    const { p } = compareScores({ a, b: a.map(() => 0) }, { resamples: 399, seed: run, alpha });
    if (p <= alpha) found++;
  }
  return found / repetitions;
}

test("equal means of strongly skewed differences give at most alpha alarms", () => {
  const share = alarms(-1, 3);
  console.log(`skewed differences with equal means: ${share} alarms, alpha ${alpha}`);
  expect(share).toBeLessThanOrEqual(alpha);
}, 300_000);

test("a difference of 0.4 standard deviations is found in both directions", () => {
  const [above, below] = [alarms(-0.6, 4), alarms(-1.4, 5)];
  console.log(`skewed differences with other means: ${above} and ${below} are found`);
  expect(above).toBeGreaterThan(0.7);
  expect(below).toBeGreaterThan(0.4);
}, 300_000);
