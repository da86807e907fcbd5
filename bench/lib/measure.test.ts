import { expect, it, onTestFinished, vi } from "vitest";
import { geometricMean, interleave, median, statisticsOf } from "./measure.ts";

/** Contestants with fixed step times on a fake clock, and the order in which they ran. */
function contestants(milliseconds: Record<string, number>) {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const order: string[] = [];
  const runs = Object.entries(milliseconds).map(([name, time]) => ({
    name,
    run: async () => {
      order.push(name);
      vi.advanceTimersByTime(time);
    },
  }));
  return { order, runs };
}

it("takes turns and leaves warm-ups out of the times", async () => {
  const { order, runs } = contestants({ a: 3, b: 5 });
  const timings = await interleave(runs, 1, 2);
  expect(order.join("")).toBe("ababab");
  expect(Object.fromEntries(timings)).toEqual({
    a: { best: 3, median: 3, margin: 0, samples: [3, 3] },
    b: { best: 5, median: 5, margin: 0, samples: [5, 5] },
  });
});

it("ends after its seconds, but not before three rounds", async () => {
  const slow = contestants({ a: 4000, b: 6000 });
  await interleave(slow.runs, 1, 100, 1);
  expect(slow.order.length).toBe(2 * (1 + 3));
  const quick = contestants({ a: 40, b: 60 });
  await interleave(quick.runs, 1, 100, 1);
  expect(quick.order.length).toBe(2 * 11);
});

it("tinybench's statistics of samples: the mean, and the margin of it by Student's t", () => {
  const { mean, moe, samplesCount } = statisticsOf([2, 4, 6]);
  expect([mean, samplesCount]).toEqual([4, 3]);
  // A standard error of 2 / sqrt(3), and t = 4.303 for two degrees of freedom.
  expect(moe).toBeCloseTo((4.303 * 2) / Math.sqrt(3), 2);
});

it("an error of a contestant is the benchmark's", async () => {
  const failing = { name: "bad", run: () => Promise.reject(new Error("it broke")) };
  await expect(interleave([failing], 0, 1)).rejects.toThrow("it broke");
});

it("the middle of values and of ratios", () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(geometricMean([4, 1 / 4, 8])).toBeCloseTo(2, 12);
});
