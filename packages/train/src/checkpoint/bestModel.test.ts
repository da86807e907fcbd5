import { init, reference } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../evaluation/evaluate.ts";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { examples, tinyLlama } from "../testing/tinyRun.ts";
import { Trainer } from "../trainer/trainer.ts";

beforeAll(() => init(reference()));

const base: TrainerOptions = { padTokenId: 0, learningRate: 0.1, schedule: "constant", batchSize: 4, maxSteps: 12 };
// The first two are training examples, whose loss falls. The reversed ones make the total loss rise again.
const held = [...examples.slice(0, 2), ...examples.map(({ inputIds }) => [...inputIds].reverse()).map(both)];
const evaluation = { examples: held, every: 2 };
function both(inputIds: number[]) {
  return { inputIds, labels: inputIds };
}
const weightsOf = (model: ReturnType<typeof tinyLlama>) =>
  [...model.namedParameters()].map(([, parameter]) => Array.from(parameter.dataSync()));

/** Runs a training to the end. With `stopAfter`, aborts it there and resumes from the checkpoint. */
async function run(options: Partial<TrainerOptions>, stopAfter?: number) {
  const model = tinyLlama();
  const all = { ...base, evaluation, ...options };
  if (stopAfter === undefined) return { model, result: await new Trainer(model, examples, all).train() };
  const folder = memoryFiles();
  const controller = new AbortController();
  const checkpoints = { folder, every: 100 };
  const onStep = ({ step }: { step: number }) => step === stopAfter && controller.abort();
  await new Trainer(tinyLlama(), examples, { ...all, checkpoints, onStep, signal: controller.signal }).train();
  const resumed = new Trainer(model, examples, { ...all, checkpoints });
  expect(await resumed.resume(folder)).toBe(stopAfter);
  return { model, result: await resumed.train() };
}

describe("loadBestModelAtEnd", () => {
  it("ends with the weights of the evaluation that was the best", async () => {
    const { model, result } = await run({ loadBestModelAtEnd: true });
    const losses = result.evaluations.slice(1).map((one) => one.evaluation.loss);
    const least = Math.min(...losses);
    expect(result.best).toEqual({ step: 2 * (losses.indexOf(least) + 1), metric: least });
    expect(result.best?.step).toBeLessThan(12);
    expect((await evaluate(model, held, { padTokenId: 0, batchSize: 4 })).loss).toBe(least);
    const { model: last } = await run({});
    expect((await evaluate(last, held, { padTokenId: 0, batchSize: 4 })).loss).toBe(losses.at(-1));
  });

  it("takes other numbers, and computeMetrics, as larger is better", async () => {
    let calls = 0;
    const computeMetrics = () => ({ mine: [0, 3, 9, 5, 4, 3, 2][calls++] });
    const { result } = await run({
      evaluation: { ...evaluation, computeMetrics },
      loadBestModelAtEnd: true,
      metricForBestModel: "mine",
    });
    expect(result.best).toEqual({ step: 4, metric: 9 });
    calls = 0;
    const least = await run({
      evaluation: { ...evaluation, computeMetrics },
      loadBestModelAtEnd: true,
      metricForBestModel: "mine",
      greaterIsBetter: false,
    });
    expect(least.result.best).toEqual({ step: 12, metric: 2 });
  });

  it("takes further measurements of the model as it is, with the loss of a task too", async () => {
    let calls = 0;
    const measure = async () => ({ margin: [0, 3, 9, 5, 4, 3, 2][calls++] });
    const seen: number[] = [];
    const { result } = await run({
      evaluation: { ...evaluation, measure, computeMetrics: () => ({ mine: 1 }) },
      onEvaluation: (_, { metrics }) => seen.push((metrics?.margin ?? NaN) + (metrics?.mine ?? NaN)),
      loadBestModelAtEnd: true,
      metricForBestModel: "margin",
    });
    expect(result.best).toEqual({ step: 4, metric: 9 });
    expect(seen).toEqual([1, 4, 10, 6, 5, 4, 3]);
  });

  it.each([2, 5, 11])("resumes bit-equal after step %i, the best before it included", async (stop) => {
    const whole = await run({ loadBestModelAtEnd: true });
    const parts = await run({ loadBestModelAtEnd: true }, stop);
    expect(parts.result.best).toEqual(whole.result.best);
    expect(weightsOf(parts.model)).toEqual(weightsOf(whole.model));
  });

  it("says what is missing", async () => {
    const started = (more: object) => new Trainer(tinyLlama(), examples, { ...base, ...more }).train();
    await expect(started({ loadBestModelAtEnd: true })).rejects.toThrow(
      "loadBestModelAtEnd needs evaluations during training",
    );
    // Must throw before the first step.
    const onStep = () => expect.unreachable();
    await expect(run({ loadBestModelAtEnd: true, metricForBestModel: "acuracy", onStep })).rejects.toThrow(
      'metricForBestModel "acuracy" is not a metric of the evaluations; available: loss, perplexity',
    );
    await expect(run({ earlyStoppingPatience: 0.5 })).rejects.toThrow("earlyStoppingPatience is 0.5; give a number");
    await expect(run({ earlyStoppingPatience: 1, earlyStoppingThreshold: -1 })).rejects.toThrow("Threshold is -1");
  });
});

describe("earlyStoppingPatience", () => {
  const series = (...values: number[]) => {
    let calls = 0;
    return { evaluation: { ...evaluation, computeMetrics: () => ({ mine: values[calls++] }) } };
  };
  const mine = { metricForBestModel: "mine", earlyStoppingPatience: 2 };

  it("stops after so many evaluations that are no better, by transformers' rules", async () => {
    const { result } = await run({ ...series(0, 5, 6, 5, 7, 7, 7), ...mine });
    expect(result).toMatchObject({ steps: 12, stoppedEarly: false, best: { step: 8, metric: 7 } });
    const stopped = await run({ ...series(0, 5, 6, 5, 6, 9, 9), ...mine });
    expect(stopped.result).toMatchObject({ steps: 8, stoppedEarly: true, best: { step: 4, metric: 6 } });
    // An improvement below the threshold is the best evaluation, but does not reset the patience.
    const little = await run({ ...series(0, 5, 5.5, 6, 9, 9, 9), ...mine, earlyStoppingThreshold: 1 });
    expect(little.result).toMatchObject({ steps: 6, stoppedEarly: true, best: { step: 6, metric: 6 } });
  });

  it("counts on where a run was resumed, and an ended one stays ended", async () => {
    const early = { earlyStoppingPatience: 2, loadBestModelAtEnd: true };
    const whole = await run(early);
    expect(whole.result.stoppedEarly).toBe(true);
    const { steps } = whole.result;
    for (const stop of [steps - 3, steps - 1]) {
      const parts = await run(early, stop);
      expect(parts.result).toMatchObject({ steps, stoppedEarly: true, best: whole.result.best });
      expect(weightsOf(parts.model)).toEqual(weightsOf(whole.model));
    }
    const folder = memoryFiles();
    const all = { ...base, evaluation, ...early, checkpoints: { folder, every: 100 } };
    await new Trainer(tinyLlama(), examples, all).train();
    const model = tinyLlama();
    const again = new Trainer(model, examples, all);
    expect(await again.resume(folder)).toBe(steps);
    expect(await again.train()).toMatchObject({ steps, stoppedEarly: true, losses: [] });
    expect(weightsOf(model)).toEqual(weightsOf(whole.model));
  });

  it("is in the checkpoint's fingerprint, with the evaluations", async () => {
    const folder = memoryFiles();
    const all = { ...base, evaluation, earlyStoppingPatience: 9, checkpoints: { folder, every: 6 }, maxSteps: 6 };
    await new Trainer(tinyLlama(), examples, all).train();
    const changes: [Partial<TrainerOptions>, string][] = [
      [{ earlyStoppingPatience: 8 }, "earlyStoppingPatience is 8, and 9 in the checkpoint"],
      [{ earlyStoppingThreshold: 1 }, "earlyStoppingThreshold is 1, and 0"],
      [{ loadBestModelAtEnd: true }, "loadBestModelAtEnd is true, and false"],
      [{ metricForBestModel: "perplexity" }, 'metricForBestModel is "perplexity", and "loss"'],
      [{ greaterIsBetter: true }, "greaterIsBetter is true, and null"],
      [{ evaluation: { examples, every: 3 } }, "evaluationEvery is 3, and 2"],
      [{ evaluation: { examples: examples.slice(1), every: 2 } }, "evaluationExamples is"],
    ];
    for (const [change, words] of changes) {
      await expect(new Trainer(tinyLlama(), examples, { ...all, ...change }).resume(folder)).rejects.toThrow(words);
    }
  });
});
