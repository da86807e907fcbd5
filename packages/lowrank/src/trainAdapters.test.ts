import { Generator, init, reference } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig, PeftModel, PromptTuningConfig } from "@lowrank/peft";
import { evaluate, type TokenizedExample, Trainer } from "@lowrank/train";
import { beforeAll, expect, it } from "vitest";
import { tinyClassifier, tinyTraining, tokenSeven } from "../../../scripts/tinyClassifier.ts";

beforeAll(() => init(reference()));

it("a classifier learns through LoRA and a head of its own, and its adapter comes back from its files", async () => {
  const peft = getPeftModel(
    tinyClassifier(),
    new LoraConfig({ r: 4, taskType: "SEQ_CLS", targetModules: "all-linear" }),
  );
  const evaluation = { examples: tokenSeven };
  const { evaluations, losses } = await new Trainer(peft, tokenSeven, {
    ...tinyTraining,
    maxSteps: 40,
    evaluation,
  }).train();
  const [before, after] = evaluations.map((one) => one.evaluation);
  expect(before.labels).toBe(24);
  expect(before.accuracy).toBeLessThan(0.8);
  expect(after.accuracy).toBe(1);
  expect(after.loss).toBeLessThan(0.1);
  expect(losses).toHaveLength(40);
  const again = await PeftModel.fromPretrained(tinyClassifier(), await peft.adapterFiles());
  expect(await evaluate(again, tokenSeven, { padTokenId: 0, batchSize: 5 })).toEqual({
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
    const { losses } = await new Trainer(peft, texts, { ...tinyTraining, ...parts }).train();
    runs.push({ losses, evaluation: await evaluate(peft, texts, { padTokenId: 0, batchSize }) });
  }
  for (let i = 0; i < 3; i++) expect(runs[1].losses[i]).toBeCloseTo(runs[0].losses[i], 5);
  expect(runs[1].evaluation.loss).toBeCloseTo(runs[0].evaluation.loss, 5);
  expect(runs[0].evaluation.labels).toBe(texts.reduce((sum, { labels }) => sum + labels.length, 0));
});
