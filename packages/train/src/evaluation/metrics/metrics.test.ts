import { Generator, init, reference } from "@lowrank/core";
import { getPeftModel, PromptTuningConfig } from "@lowrank/peft";
import { tinyClassifier, tokenSeven } from "@lowrank/test-support/tinyClassifier";
import { beforeAll, describe, expect, it } from "vitest";
import { examples, tinyLlama } from "../../testing/tinyRun.ts";
import { Trainer } from "../../trainer/trainer.ts";
import { evaluate } from "../evaluate.ts";
import type { EvalPrediction } from "./metricOptions.ts";
import { classMetrics, labelMetrics } from "./metrics.ts";

beforeAll(() => init(reference()));

const rows = (...values: number[][]) => values.map((row) => Float32Array.from(row));
const oneHot = (classes: number[], count: number) =>
  rows(...classes.map((label) => Array.from({ length: count }, (_, i) => Number(i === label))));

describe("classes", () => {
  it("are measured as scikit-learn does", () => {
    // f1_score([0, 1, 2, 2, 1, 0, 1], [0, 2, 2, 2, 1, 1, 1], average=...)
    const three = {
      predictions: oneHot([0, 2, 2, 2, 1, 1, 1], 4),
      labelIds: rows([0], [1], [2], [2], [1], [0], [1]),
    };
    const measured = classMetrics(three);
    expect(measured.accuracy).toBeCloseTo(5 / 7, 12);
    expect(measured.f1Micro).toBeCloseTo(5 / 7, 12);
    expect(measured.f1Macro).toBeCloseTo((2 / 3 + 2 / 3 + 4 / 5) / 3, 12);
    expect(measured).not.toHaveProperty("f1");
    // f1_score([1, 0, 1, 1], [1, 1, 0, 1]): 2 hits, 1 wrong, 1 missed
    const two = { predictions: oneHot([1, 1, 0, 1], 2), labelIds: rows([1], [0], [1], [1]) };
    expect(classMetrics(two)).toEqual({ accuracy: 0.5, f1: 2 / 3, f1Macro: 1 / 3, f1Micro: 0.5 });
  });

  it("and several labels at once too", () => {
    // f1_score([[1,0,1],[0,1,0]], [[1,1,0],[0,1,0]], average=...)
    const several = { predictions: rows([2, 1, -1], [-1, 3, -2]), labelIds: rows([1, 0, 1], [0, 1, 0]) };
    expect(labelMetrics(several)).toEqual({ f1Macro: (1 + 2 / 3 + 0) / 3, f1Micro: 4 / 6, exactMatch: 0.5 });
  });
});

describe("evaluate", () => {
  it("measures classifiers by all that they have, or what is asked for", async () => {
    const model = tinyClassifier();
    const all = await evaluate(model, tokenSeven, { batchSize: 7 });
    expect(Object.keys(all)).toEqual(["loss", "perplexity", "labels", "accuracy", "f1", "f1Macro", "f1Micro"]);
    const some = await evaluate(model, tokenSeven, { batchSize: 24, metrics: ["f1"] });
    expect(Object.keys(some)).toEqual(["loss", "perplexity", "labels", "f1"]);
    expect(some.f1).toBe(all.f1);
    await expect(evaluate(model, tokenSeven, { batchSize: 24, metrics: ["exactMatch"] })).rejects.toThrow(
      'metrics lists "exactMatch", which is not available for this model; available: accuracy, f1, f1Macro, f1Micro',
    );
  });

  it("measures tokens and whole answers, in whatever batches, by the loss of before", async () => {
    const model = tinyLlama();
    const labelled = examples.map(({ inputIds, ...rest }, i) => {
      const { labels } = rest as { labels: number[] };
      return { inputIds, labels: labels.map((id, t) => (t <= i % 4 ? -100 : id)) };
    });
    await new Trainer(model, labelled, { learningRate: 3e-2, maxSteps: 8, batchSize: 4 }).train();
    const given: EvalPrediction[] = [];
    const computeMetrics = (prediction: EvalPrediction) => {
      given.push(prediction);
      return { examples: prediction.predictions.length };
    };
    const measured = await evaluate(model, labelled, { batchSize: 5, computeMetrics });
    const plain = await evaluate(model, labelled, { batchSize: 4 });
    expect(plain).toEqual({ ...plain, loss: expect.closeTo(measured.loss, 5) });
    expect(plain).not.toHaveProperty("accuracy");
    expect(measured.labels).toBe(plain.labels);
    expect(measured.metrics).toEqual({ examples: given[0].labelIds.length });
    let [right, exact] = [0, 0];
    const answered = labelled.filter(({ labels }) => labels.slice(1).some((id) => id !== -100));
    for (const [i, { labels }] of answered.entries()) {
      const wanted = labels.slice(1).filter((id) => id !== -100);
      expect(Array.from(given[0].labelIds[i])).toEqual(wanted);
      const hits = wanted.filter((id, t) => given[0].predictions[i][t] === id).length;
      right += hits;
      exact += Number(hits === wanted.length);
    }
    expect(measured.accuracy).toBe(right / measured.labels);
    expect(measured.exactMatch).toBe(exact / answered.length);
    expect(measured.accuracy).toBeGreaterThan(0.5);
    expect(measured.accuracy).toBeLessThan(1);
    const one = await evaluate(model, labelled, { batchSize: 1, metrics: ["accuracy", "exactMatch"] });
    expect(one).toMatchObject({ accuracy: measured.accuracy, exactMatch: measured.exactMatch });
  });

  it("counts the first token too, where virtual tokens predict it", async () => {
    const config = new PromptTuningConfig({ numVirtualTokens: 2, taskType: "CAUSAL_LM" });
    const model = await getPeftModel(tinyLlama(), config, { generator: new Generator(1) });
    const plain = await evaluate(model, examples, { batchSize: 4 });
    const measured = await evaluate(model, examples, { batchSize: 4, metrics: ["accuracy"] });
    expect(measured.labels).toBe(plain.labels);
    expect(measured.loss).toBeCloseTo(plain.loss, 5);
  });

  it("is measured while training", async () => {
    const evaluation = { examples: tokenSeven, metrics: ["f1"], computeMetrics: () => ({ mine: 7 }) } as const;
    const settings = { learningRate: 1e-2, maxSteps: 1, evaluation };
    const { evaluations } = await new Trainer(tinyClassifier(), tokenSeven, settings).train();
    expect(evaluations[0].evaluation).toMatchObject({ f1: expect.any(Number), metrics: { mine: 7 } });
  });

  it("of a loss of one's own has the loss alone", async () => {
    const own = { collate: () => null, loss: () => null as never, batchSize: 1, metrics: ["f1"] };
    await expect(evaluate(tinyLlama(), examples, own as never)).rejects.toThrow(
      "metrics is not supported with a custom collate and loss",
    );
  });
});
