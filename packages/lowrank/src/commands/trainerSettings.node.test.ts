import { describe, expect, test, vi } from "vitest";
import { toPeftConfig } from "../cli/options/adapterConfig.ts";
import { trainerSettings } from "../cli/options/trainerFlags.ts";
import { findMethods } from "../report/methods.ts";
import { viewLines, watchEngine } from "./serve/liveView.ts";
import { rateFor, usualRate } from "./train/learner.ts";
import { lossOf, settingOf } from "./train/trainSteps.ts";

const measure = async () => ({});
const settings = (options: object, validation: readonly unknown[] = [1], lowerIsBetter: readonly string[] = []) =>
  trainerSettings(options, validation, { lowerIsBetter, measure });

describe("the settings of a trainer", () => {
  test("evaluate on what validates, and not without it", () => {
    expect(settings({ evalEvery: 2, metrics: ["accuracy"] }).evaluation).toEqual({
      ...{ examples: [1], every: 2, measure, metrics: ["accuracy"] },
    });
    expect(settings({}).evaluation).toEqual({ examples: [1], every: undefined, measure });
    expect(settings({ evalEvery: 2 }, [])).not.toHaveProperty("evaluation");
    expect(settings({ minLr: 0, neftuneNoiseAlpha: 5 })).toMatchObject({ minLr: 0, neftuneNoiseAlpha: 5 });
  });

  test("name the metric of the best model without eval_, and whether less of it is better", () => {
    const of = (options: object, lower: readonly string[]) => {
      const { metricForBestModel, greaterIsBetter } = settings(options, [1], lower);
      return [metricForBestModel, greaterIsBetter];
    };
    expect(of({ metricForBestModel: "eval_f1" }, ["kl"])).toEqual(["f1", undefined]);
    expect(of({ metricForBestModel: "eval_kl" }, ["kl"])).toEqual(["kl", false]);
    expect(of({ metricForBestModel: "kl", greaterIsBetter: true }, ["kl"])).toEqual(["kl", true]);
    expect(of({}, ["kl"])).toEqual([undefined, undefined]);
  });

  test.each([
    [{ loadBestModelAtEnd: true }, "--load-best-model-at-end"],
    [{ earlyStoppingPatience: 1 }, "--early-stopping-patience"],
  ])("%j needs evaluations", (options, flag) => {
    expect(() => settings({ ...options, evalEvery: 1 }, [])).toThrow(`${flag} needs data to validate with`);
    expect(() => settings(options)).toThrow(`${flag} needs evaluations while it trains; give --eval-every`);
    expect(settings({ ...options, evalEvery: 1 })).toMatchObject(options);
  });
});

test("a task's loss is its own, with the teacher's digest, or the model's with padding", () => {
  const batching = { padTokenId: 3, maxLength: 8, batchSize: 2 };
  const setting = settingOf({} as never, { batching } as never, null);
  expect(setting).toEqual({ padding: { padTokenId: 3, maxLength: 8 }, flags: {}, teacher: null });
  const task = (own: object | null) => ({ own: () => own }) as never;
  expect(lossOf(task(null), setting, null)).toEqual({ padTokenId: 3, maxLength: 8 });
  const own = { loss: 1, settings: { beta: 2 } };
  expect(lossOf(task(own), setting, null)).toBe(own);
  expect(lossOf(task(own), setting, { digest: "d" } as never)).toEqual({
    loss: 1,
    settings: { beta: 2, teacher: "d" },
  });
});

test("the usual rate is that of the recipe, or of the method that a file says", () => {
  const [lora, ia3, full] = findMethods(["lora", "ia3", "full"]);
  const config = toPeftConfig(ia3, {}, 10);
  const rate = ({ learningRate, usualLearningRate = learningRate }: typeof lora) => usualLearningRate;
  expect(rateFor(null, full)).toBe(rate(full));
  expect(rateFor(config, ia3)).toBe(rate(ia3));
  expect(rateFor(config, lora)).toBe(rate(ia3));
  expect(rate(ia3)).not.toBe(rate(lora));
  for (const optimizer of ["adamw", "adamw8bit"] as const) {
    expect(usualRate(config, { method: "lora", optimizer })).toBe(rate(ia3));
  }
  expect(usualRate(null, { method: "full", optimizer: "lion" })).toBe(rate(full) / 10);
  expect(usualRate(null, { method: "full", optimizer: "adafactor" })).toBe(rate(full) * 150);
  expect(usualRate(null, { method: "full", optimizer: "muon" })).toBe(rate(full));
});

describe("the view of a server", () => {
  const stats = (requests: number, hits = 0, loads = 0) => ({
    ...{ waiting: 0, running: 1, paused: 0, batchRows: 2, decodeRows: 1, passes: 1, promptTokens: 1, cachedTokens: 0 },
    ...{ newTokens: 10, preemptions: 0, pages: { total: 4, used: 2, cached: 1 } },
    adapters: { registered: 1, resident: 1, bytes: 1e6, hits, loads, evictions: 0, failures: 0 },
    requests: Array.from({ length: requests }, (_, i) => {
      return { id: `${i}`, tenant: "", adapter: null, state: "decode" as const, promptTokens: 1, newTokens: i };
    }),
  });

  test("lists eight requests and counts the others", () => {
    const lines = (count: number) => {
      const now = stats(count);
      return viewLines("t", { stats: now, before: now, seconds: 1 }, 200);
    };
    expect([lines(8).length, lines(9).length]).toEqual([11, 12]);
    expect(lines(9).at(-1)).toBe("  and 1 more");
  });

  test("is shown four times a second, one question at a time", async () => {
    vi.useFakeTimers();
    const shown: (readonly string[])[] = [];
    let answers: ((value: ReturnType<typeof stats>) => void)[] = [];
    const ask = vi.fn(
      () =>
        new Promise((resolve, reject) => {
          answers.push((value) => (value.passes === 9 ? reject(new Error("ended")) : resolve(value)));
        }),
    );
    const view = { show: (lines: readonly string[]) => void shown.push(lines), columns: 30 };
    const timer = watchEngine(view, "t", { stats: ask } as never);
    const answer = async (newTokens: number, passes = 1) => {
      for (const one of answers) one({ ...stats(0), newTokens, passes });
      answers = [];
      await vi.advanceTimersByTimeAsync(0);
    };
    try {
      await vi.advanceTimersByTimeAsync(249);
      expect(ask).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1);
      expect(ask).toHaveBeenCalledTimes(1);
      // A slow answer is waited for.
      await vi.advanceTimersByTimeAsync(250);
      expect(ask).toHaveBeenCalledTimes(1);
      await answer(4);
      await vi.advanceTimersByTimeAsync(250);
      await answer(9, 9);
      await vi.advanceTimersByTimeAsync(250);
      await answer(14);
      expect(ask).toHaveBeenCalledTimes(3);
      expect(shown.map(([title]) => title)).toEqual(["t", "t"]);
      expect(shown.flat().every((line) => line.length <= 30)).toBe(true);
    } finally {
      clearInterval(timer);
      vi.useRealTimers();
    }
  });

  test("has the rate between two answers", async () => {
    vi.useFakeTimers();
    const shown: string[] = [];
    let newTokens = 0;
    const view = { show: (lines: readonly string[]) => void shown.push(lines.join()), columns: 200 };
    const ask = async () => {
      newTokens += 10;
      return { ...stats(0), newTokens };
    };
    const timer = watchEngine(view, "t", { stats: ask } as never);
    await vi.advanceTimersByTimeAsync(750);
    clearInterval(timer);
    vi.useRealTimers();
    expect(shown.map((text) => /[\d.]+ tokens\/s/.exec(text)?.[0])).toEqual([
      ...["0.0 tokens/s", "40.0 tokens/s", "40.0 tokens/s"],
    ]);
  });

  test("has a rate where time has passed, and hits where there were uses", () => {
    const line = (seconds: number, now = stats(0)) =>
      viewLines("t", { stats: now, before: { ...now, newTokens: 4 }, seconds }, 200).join("\n");
    expect(line(2)).toContain("| 3.0 tokens/s");
    expect(line(0)).toContain("| 0.0 tokens/s");
    expect(line(1)).toContain("hits -,");
    expect(line(1, stats(0, 0, 4))).toContain("hits 0 %,");
    expect(line(1, stats(0, 1, 3))).toContain("1.0 MB, hits 25 %, 0 evicted");
  });
});
