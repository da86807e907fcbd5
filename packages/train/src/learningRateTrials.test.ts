import { affine, init, reference, sum, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, test } from "vitest";
import { findLearningRate, type RateRange } from "./trainer/findLearningRate.ts";

beforeAll(() => init(reference()));

/** Runs a search with the given losses, step by step. */
async function searched(losses: (step: number) => number, more: RateRange = {}) {
  const weight = tensor([1], { requiresGrad: true });
  const model = {
    namedParameters: () => [["weight", weight] as [string, typeof weight]],
    namedModules: () => [] as [string, object][],
    train: () => {},
    eval: () => {},
  };
  let step = 0;
  const task = {
    collate: (examples: readonly number[]) => examples,
    loss: () => affine(sum(weight), { scale: 0, shift: losses(step++) }),
    tokens: () => 1,
  };
  const examples = Array.from({ length: 8 }, (_, i) => i);
  return findLearningRate(model as never, examples, { ...more, ...task } as never);
}

/** Returns the weighted mean of losses, with weights 0.9 to the power of their age. */
function smoothed(losses: readonly number[]): number {
  const weights = losses.map((_, i) => 0.9 ** (losses.length - 1 - i));
  const total = weights.reduce((all, weight) => all + weight, 0);
  return losses.reduce((all, loss, i) => all + loss * weights[i], 0) / total;
}

describe("the trials of learning rates", () => {
  test("are 100 from 1e-6 to 1 by default, each larger by the same factor", async () => {
    const { trials, diverged } = await searched(() => 1);
    expect(trials).toHaveLength(100);
    for (const [i, { learningRate }] of trials.entries()) {
      expect(learningRate / 10 ** (-6 + (6 * i) / 99)).toBeCloseTo(1, 9);
    }
    expect(diverged).toBe(false);
  });

  test("have the losses, and their weighted means", async () => {
    const losses = Array.from({ length: 12 }, (_, i) => 2 + Math.sin(i));
    const { trials } = await searched((step) => losses[step], { steps: 12, from: 0.01, to: 0.1 });
    for (const [i, { loss, smoothedLoss }] of trials.entries()) {
      expect(loss).toBeCloseTo(losses[i], 5);
      expect(smoothedLoss).toBeCloseTo(smoothed(losses.slice(0, i + 1)), 5);
    }
    expect([trials[0].learningRate, trials[11].learningRate]).toEqual([
      expect.closeTo(0.01, 9),
      expect.closeTo(0.1, 9),
    ]);
  });

  test("end where the mean is more than four times its least", async () => {
    const losses = (step: number) => (step < 5 ? 1 : 20);
    const { trials, diverged } = await searched(losses, { steps: 30 });
    expect(diverged).toBe(true);
    const means = trials.map((_, i) => smoothed(trials.slice(0, i + 1).map(({ loss }) => loss)));
    expect(means.slice(0, -1).every((mean) => mean <= 4)).toBe(true);
    expect(means.at(-1)).toBeGreaterThan(4);
    // Four times 0 is not more than 0.
    expect(await searched(() => 0, { steps: 10 })).toMatchObject({ diverged: false });
  });

  test("have ten steps at least, and two rates in their order", async () => {
    expect((await searched(() => 1, { steps: 10 })).trials).toHaveLength(10);
    await expect(searched(() => 1, { steps: 9 })).rejects.toThrow("steps is 9; give a whole number of at least 10");
    await expect(searched(() => 1, { steps: 10.5 })).rejects.toThrow("steps is 10.5");
    await expect(searched(() => 1, { from: 0 })).rejects.toThrow("from is 0 and to 1; give two rates above 0");
    await expect(searched(() => 1, { from: 1, to: 1 })).rejects.toThrow("from is 1 and to 1");
    await expect(searched(() => 1, { from: 2 })).rejects.toThrow("from is 2 and to 1");
  });

  test("stop for a signal of the caller", async () => {
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }) => step === 3 && controller.abort(new Error("enough"));
    await expect(searched(() => 1, { onStep, signal: controller.signal } as never)).rejects.toThrow("enough");
  });
});

describe("the suggestion", () => {
  test("is none where the loss falls nowhere", async () => {
    expect((await searched((step) => 1 + step / 100)).suggestion).toBeNull();
  });

  test.each([12, 30, 41, 60])("is the steepest fall of the means over the logarithm, of %i steps", async (steps) => {
    for (const at of [0, 1, 3, 7, 11, 20, 37]) {
      const losses = Array.from({ length: steps }, (_, i) => (i < at ? 2 : i < at + 2 ? 1.2 : 1.1) + i / 100);
      const { suggestion, trials } = await searched((step) => losses[step], { steps, from: 1e-4, to: 1 });
      const means = losses.map((_, i) => smoothed(trials.slice(0, i + 1).map(({ loss }) => loss)));
      // The first quarter, at most ten trials, and the last trial are skipped.
      const first = Math.min(10, Math.floor(steps / 4)) + 1;
      let best = -1;
      for (let i = first; i < steps - 1; i++) {
        const fall = (n: number) => means[n - 1] - means[n + 1];
        if (fall(i) > 0 && (best < 0 || fall(i) > fall(best))) best = i;
      }
      expect(suggestion).toBe(best < 0 ? null : trials[best].learningRate);
    }
  });
});
