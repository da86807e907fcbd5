import { expect, test } from "vitest";
import { tinyConfig } from "../../testing/tinyLlama.ts";
import { sweepComparison } from "./sweepComparison.ts";
import { describeTrial, lossOf, ranked, resultOf, sweepColumns, sweepPage, type TrialResult } from "./sweepResults.ts";

const trial = (number: number, more: Partial<TrialResult> = {}): TrialResult => ({
  ...{ number, id: `job-${number}`, options: { lr: 0.001 * number, dora: number === 1 }, status: "succeeded" },
  ...{ error: null, training: [], validation: [], ...more },
});
const losses = (...values: number[]) => values.map((loss, i) => [i + 1, loss] as const);
const plan = {
  ...{ model: "llama", data: ["a.jsonl", "b.jsonl"], validation: null, output: null, method: "supervised" as const },
  ...{ shared: { r: 8 }, varied: ["lr", "dora"], trials: [] },
};

test("a trial's result has its losses by step, its status and its error", () => {
  const log = [
    { data: { step: 1, train_loss: 3, learning_rate: 1 } },
    { data: { step: 1, valid_loss: 4 } },
    { message: "no data" },
    { data: { step: 2, train_loss: 0 } },
  ];
  const result = (end: object | null) => resultOf(2, { r: 4 }, { job: { id: "j" }, end } as never, log as never);
  expect(result(null)).toEqual({
    ...{ number: 2, id: "j", options: { r: 4 }, status: "open", error: null },
    ...{
      training: [
        [1, 3],
        [2, 0],
      ],
      validation: [[1, 4]],
    },
  });
  expect(result({ status: "failed", error: { message: "no" } })).toMatchObject({ status: "failed", error: "no" });
  expect(result({ status: "cancelled", reason: "asked" })).toMatchObject({ status: "cancelled", error: "asked" });
});

test("trials are compared by the last validation, or else the last step", () => {
  expect(lossOf(trial(1, { training: losses(3, 2), validation: losses(5, 4) }))).toBe(4);
  expect(lossOf(trial(1, { training: losses(3, 2) }))).toBe(2);
  expect(lossOf(trial(1))).toBe(null);
});

test("the best trial is first; those without a loss, and then those that failed, are last", () => {
  const results = [
    trial(1, { status: "failed", training: losses(0) }),
    trial(2),
    trial(3, { training: losses(2) }),
    trial(4, { training: losses(1) }),
    trial(5, { training: losses(2) }),
    trial(6, { status: "failed" }),
    trial(7, { training: losses(0) }),
  ];
  expect(ranked(results.toReversed()).map(({ number }) => number)).toEqual([7, 4, 3, 5, 2, 1, 6]);
});

test("columns show the options that differ, the losses and the result", () => {
  const one = trial(1, { training: losses(3, 2.5), validation: losses(5) });
  const columns = sweepColumns({ ...plan, validation: "v.jsonl" }, null);
  expect(columns.map(({ title }) => title)).toEqual([
    ...["trial", "lr", "dora", "validation loss", "training loss", "steps", "result"],
  ]);
  expect(columns.map(({ value }) => value(one))).toEqual([1, 0.001, "true", 5, 2.5, 2, "succeeded"]);
  expect(columns.map(({ value }) => value(trial(2, { error: "no", status: "failed" })))).toEqual([
    ...[2, 0.002, "false", null, null, null, "no"],
  ]);
  expect(sweepColumns(plan, null).map(({ title }) => title)).not.toContain("validation loss");
});

test("a page has the best trial, and charts of series with two points or more", () => {
  const results = [trial(1, { training: losses(3, 2), validation: losses(5) }), trial(2, { status: "failed" })];
  const page = sweepPage(plan, results, null);
  expect(page).toContain("2 trials of lr, dora");
  expect(page).toContain("Examples of a.jsonl, b.jsonl, on llama.");
  expect(page).toContain("All trials: r 8.");
  expect(page).toContain("The best: lr 0.001, dora true.");
  expect(page).toContain("Training loss");
  expect(page).not.toContain("Validation loss");
  const without = { ...plan, shared: {}, method: "dpo" as const };
  const failed = sweepPage(without, [trial(1, { status: "failed", training: losses(1) })], null);
  expect(failed).toContain("Comparisons of ");
  expect(failed).not.toContain("All trials");
  expect(failed).not.toContain("The best:");
  expect(failed).not.toContain("Training loss");
  expect(describeTrial({ lr: 0.1, r: 8 })).toBe("lr 0.1, r 8");
});

test("trials are compared by loss and trainable parameters", async () => {
  const rank = (number: number, r: number, loss: number) => trial(number, { options: { r }, training: losses(loss) });
  const failed = trial(4, { options: { r: 8 }, status: "failed", training: losses(0) });
  const results = [rank(1, 1, 3), rank(2, 2, 3.5), rank(3, 4, 2), failed];
  const ranks = { ...plan, shared: { "target-modules": "q_proj" }, varied: ["r"] };
  const comparison = await sweepComparison(tinyConfig, ranks, results);
  expect(comparison?.rows.map(({ name, trainable, paretoOptimal }) => [name, trainable, paretoOptimal])).toEqual([
    ["r 1", 16, true],
    ["r 2", 32, false],
    ["r 4", 64, true],
  ]);
  expect(comparison?.rows[2].quality).toEqual({
    ...{ metric: "training loss", mean: 2, deviation: 0, higherIsBetter: false },
  });
  const columns = sweepColumns(ranks, comparison).filter(({ key }) => ["trainable", "pareto_optimal"].includes(key));
  expect(results.map((result) => columns.map(({ value }) => value(result)))).toEqual([
    [16, "yes"],
    [32, "no"],
    [64, "yes"],
    [null, null],
  ]);
  expect(await sweepComparison(tinyConfig, ranks, [failed])).toBe(null);
});
