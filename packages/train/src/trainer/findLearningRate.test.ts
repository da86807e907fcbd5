import { Generator, init, reference } from "@lowrank/core";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { beforeAll, expect, it } from "vitest";
import { examples, tinyLlama } from "../testing/tinyRun.ts";
import { findLearningRate } from "./findLearningRate.ts";
import { Trainer } from "./trainer.ts";

beforeAll(() => init(reference()));

const options = { padTokenId: 0, batchSize: 4, seed: 2 };
const adapted = () =>
  getPeftModel(tinyLlama(), new LoraConfig({ r: 2, targetModules: "all-linear", loraDropout: 0.1 }), {
    generator: new Generator(1),
  });

it("suggests a rate by which a training learns, between those that do nothing and those that diverge", async () => {
  const { suggestion, trials, diverged } = await findLearningRate(tinyLlama(), examples, { ...options, to: 100 });
  expect(trials[0].learningRate).toBeCloseTo(1e-6, 12);
  expect(trials[1].learningRate / trials[0].learningRate).toBeCloseTo(1e8 ** (1 / 99), 6);
  expect(diverged).toBe(true);
  expect(trials.length).toBeLessThan(100);
  expect(suggestion).toBeGreaterThan(1e-4);
  expect(suggestion).toBeLessThan(1);
  const lossBy = async (learningRate: number) => {
    const trainer = new Trainer(tinyLlama(), examples, { ...options, learningRate, maxSteps: 30 });
    return (await trainer.train()).losses.at(-1)!;
  };
  const suggested = await lossBy(suggestion!);
  expect(suggested).toBeLessThan((await lossBy(suggestion! / 100)) - 0.3);
});

it("leaves weights, dropout's random numbers and modes as they were, to the bit", async () => {
  const model = await adapted();
  model.eval();
  const searched = await findLearningRate(model, examples, { ...options, steps: 12, to: 0.1 });
  expect(searched.trials).toHaveLength(12);
  expect(searched.diverged).toBe(false);
  expect([...model.namedModules()].every(([, module]) => !(module as { training?: boolean }).training)).toBe(true);
  const training = { ...options, learningRate: 1e-2, maxSteps: 3 };
  const after = await new Trainer(model, examples, training).train();
  const fresh = await new Trainer(await adapted(), examples, training).train();
  expect(after.losses).toEqual(fresh.losses);
});

it("takes a step that is not finite for the end, and passes other errors and signals on", async () => {
  const wild = { ...options, from: 1e5, to: 1e38, steps: 10, maxGradNorm: 0 };
  const { diverged, trials } = await findLearningRate(tinyLlama(), examples, wild);
  expect(diverged).toBe(true);
  expect(trials.length).toBeLessThan(10);
  await expect(findLearningRate(tinyLlama(), examples, { ...options, from: 1, to: 0.1 })).rejects.toThrow("from is 1");
  await expect(findLearningRate(tinyLlama(), examples, { ...options, steps: 3 })).rejects.toThrow("steps is 3");
  const unlabelled = examples.map(({ inputIds }) => ({ inputIds, labels: inputIds.map(() => -100) }));
  await expect(findLearningRate(tinyLlama(), unlabelled, options)).rejects.toThrow(
    "has a label; raise maxLength, or check the data",
  );
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(findLearningRate(tinyLlama(), examples, { ...options, signal })).rejects.toThrow("enough");
});
