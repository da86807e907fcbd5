import { Generator, init, reference } from "@lowrank/core";
import { createModel, parseClassifierConfig, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig, PeftModel, PromptTuningConfig } from "@lowrank/peft";
import { evaluate, type LabelledSequence, type TokenizedExample, Trainer, type TrainerOptions } from "@lowrank/train";
import { beforeAll, expect, it } from "vitest";

const sizes = { vocab_size: 12, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 };
const bert = (more: object) =>
  parseClassifierConfig({ model_type: "bert", ...sizes, max_position_embeddings: 16, hidden_dropout_prob: 0, ...more });
const newModel = (more: object = {}) => {
  const draw = randomParameters(new Generator(5));
  return createModel(bert(more), (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.3 } : start));
};

/** Whether token 7 is in the sequence. */
const examples = Array.from({ length: 24 }, (_, i): LabelledSequence => {
  const inputIds = [1, ...Array.from({ length: 3 + (i % 3) }, (_, t) => 2 + ((3 * i + 5 * t) % 5))];
  if (i % 2 === 1) inputIds[1 + (i % 3)] = 7;
  return { inputIds, label: i % 2 };
});

const options: TrainerOptions = { padTokenId: 0, learningRate: 2e-2, batchSize: 8, maxSteps: 30, seed: 3 };

beforeAll(() => init(reference()));

it("a classifier learns through LoRA and a head of its own, and its adapter comes back from its files", async () => {
  const peft = getPeftModel(newModel(), new LoraConfig({ r: 4, taskType: "SEQ_CLS", targetModules: "all-linear" }));
  const evaluation = { examples };
  const { evaluations, losses } = await new Trainer(peft, examples, { ...options, maxSteps: 40, evaluation }).train();
  const [before, after] = evaluations.map((one) => one.evaluation);
  expect(before.labels).toBe(24);
  expect(before.accuracy).toBeLessThan(0.8);
  expect(after.accuracy).toBe(1);
  expect(after.loss).toBeLessThan(0.1);
  expect(losses).toHaveLength(40);
  const again = await PeftModel.fromPretrained(newModel(), await peft.adapterFiles());
  expect(await evaluate(again, examples, { padTokenId: 0, batchSize: 5 })).toEqual({
    ...after,
    loss: expect.closeTo(after.loss, 6),
    perplexity: expect.closeTo(after.perplexity, 5),
  });
});

it("what virtual tokens predict counts among a batch's labels", async () => {
  const gpt2 = parseModelConfig({
    model_type: "gpt2",
    vocab_size: 12,
    n_positions: 16,
    n_embd: 8,
    n_layer: 1,
    n_head: 2,
  });
  const texts = Array.from({ length: 6 }, (_, i): TokenizedExample => {
    const inputIds = Array.from({ length: 2 + i }, (_, t) => 1 + ((i + t) % 9));
    return { inputIds, labels: [...inputIds] };
  });
  const runs = [];
  for (const [batchSize, gradientAccumulationSteps] of [
    [6, 1],
    [2, 3],
  ]) {
    const model = createModel(gpt2, randomParameters(new Generator(5)));
    for (const [, module] of model.namedModules()) if ("p" in module) Object.assign(module, { p: 0 });
    const peft = getPeftModel(model, new PromptTuningConfig({ numVirtualTokens: 3 }));
    const parts = { batchSize, gradientAccumulationSteps, shuffle: false, maxSteps: 3 };
    const { losses } = await new Trainer(peft, texts, { ...options, ...parts }).train();
    runs.push({ losses, evaluation: await evaluate(peft, texts, { padTokenId: 0, batchSize }) });
  }
  for (let i = 0; i < 3; i++) expect(runs[1].losses[i]).toBeCloseTo(runs[0].losses[i], 5);
  expect(runs[1].evaluation.loss).toBeCloseTo(runs[0].evaluation.loss, 5);
  expect(runs[0].evaluation.labels).toBe(texts.reduce((sum, { labels }) => sum + labels.length, 0));
});
