import { add, init, neg, reference, type Tensor, tensor } from "@lowrank/core";
import { filesIn, memoryFiles } from "@lowrank/files";
import type { CausalLM } from "@lowrank/models";
import { Module } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { beforeAll, expect, it } from "vitest";
import { evaluate } from "../evaluation/evaluate.ts";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { examples, tinyLlama } from "../testing/tinyRun.ts";
import { Neftune } from "./neftune.ts";
import { Trainer } from "./trainer.ts";

beforeAll(() => init(reference()));

const options: TrainerOptions = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 5, neftuneNoiseAlpha: 5 };

it("adds uniform noise of alpha / sqrt(L d) at most, in training alone", () => {
  const model = tinyLlama();
  const ids = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3], dtype: "i32" });
  const { embed_tokens: embedding } = (model as CausalLM & { model: { embed_tokens: { forward(x: Tensor): Tensor } } })
    .model;
  const plain = embedding.forward(ids);
  const neftune = new Neftune(model, 5, 1);
  const differences: number[] = [];
  {
    using _noise = neftune.attach();
    model.eval();
    expect(embedding.forward(ids).dataSync()).toEqual(plain.dataSync());
    model.train();
    for (let i = 0; i < 50; i++) {
      differences.push(...add(embedding.forward(ids), neg(plain)).dataSync());
    }
  }
  expect(embedding.forward(ids).dataSync()).toEqual(plain.dataSync());
  const most = 5 / Math.sqrt(3 * 8);
  expect(Math.max(...differences.map(Math.abs))).toBeLessThanOrEqual(most * (1 + 1e-6));
  expect(Math.max(...differences)).toBeGreaterThan(0.98 * most);
  expect(Math.min(...differences)).toBeLessThan(-0.98 * most);
  const variance = differences.reduce((sum, x) => sum + x * x, 0) / differences.length;
  expect(variance / (most ** 2 / 3)).toBeCloseTo(1, 1);
});

it("sits above adapters of the embedding, and finds it on a model with adapters", async () => {
  const peft = await getPeftModel(tinyLlama(), new LoraConfig({ r: 2, targetModules: ["embed_tokens", "q_proj"] }));
  const neftune = new Neftune(peft, 5, 1);
  const ids = tensor([1, 2], { shape: [1, 2], dtype: "i32" });
  const embedding = (peft.baseModel as unknown as { model: { embed_tokens: Module & { forward(x: Tensor): Tensor } } })
    .model.embed_tokens;
  const plain = embedding.forward(ids).dataSync();
  using _noise = neftune.attach();
  peft.train();
  expect(embedding.forward(ids).dataSync()).not.toEqual(plain);
});

it("is drawn by the seed, changes the training and not evaluations, and resumes bit-equal", async () => {
  const losses = async (more: object) =>
    (await new Trainer(tinyLlama(), examples, { ...options, ...more }).train()).losses;
  const noisy = await losses({});
  expect(await losses({})).toEqual(noisy);
  expect(await losses({ neftuneNoiseAlpha: 0 })).not.toEqual(noisy);
  expect(await losses({ seed: 3, shuffle: false })).not.toEqual(await losses({ seed: 4, shuffle: false }));

  const model = tinyLlama();
  const before = await evaluate(model, examples, { padTokenId: 0, batchSize: 4 });
  const { evaluations } = await new Trainer(model, examples, { ...options, evaluation: { examples } }).train();
  expect(evaluations[0].evaluation).toEqual(before);

  const folder = memoryFiles();
  const checkpoints = { folder, every: 2 };
  await new Trainer(tinyLlama(), examples, { ...options, checkpoints }).train();
  const resumed = new Trainer(tinyLlama(), examples, options);
  expect(await resumed.resume(filesIn(folder, "checkpoint-2"))).toBe(2);
  expect((await resumed.train()).losses).toEqual(noisy.slice(2));
});

it("is in the fingerprint, and needs an embedding", async () => {
  const folder = memoryFiles();
  const all = { ...options, checkpoints: { folder, every: 5 } };
  await new Trainer(tinyLlama(), examples, all).train();
  const other = new Trainer(tinyLlama(), examples, { ...all, neftuneNoiseAlpha: 6 });
  await expect(other.resume(folder)).rejects.toThrow("neftuneNoiseAlpha is 6, and 5 in the checkpoint");
  class Bare extends Module {}
  expect(() => new Neftune(new Bare(), 5, 0)).toThrow("the model has none");
  const refused = (alpha: number) => `neftuneNoiseAlpha is ${alpha}; give a number of at least 0, such as 5`;
  for (const alpha of [-1, -0.1, Number.NaN]) {
    expect(() => new Neftune(tinyLlama(), alpha, 0)).toThrow(refused(alpha));
  }
  for (const alpha of [0, 0.5]) expect(() => new Neftune(tinyLlama(), alpha, 0)).not.toThrow();
});

it("leaves the embedding as it was, with a forward pass of its own or without", () => {
  const model = tinyLlama();
  const { embed_tokens: embedding } = (model as CausalLM & { model: { embed_tokens: { forward(x: Tensor): Tensor } } })
    .model;
  const neftune = new Neftune(model, 5, 1);
  neftune.attach()[Symbol.dispose]();
  expect(Object.hasOwn(embedding, "forward")).toBe(false);
  const own = embedding.forward.bind(embedding);
  embedding.forward = own;
  neftune.attach()[Symbol.dispose]();
  expect(embedding.forward).toBe(own);
});
