import { Generator, init, reference } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { AdaLoraConfig, getPeftModel, LoraConfig, PeftModel, PromptTuningConfig } from "@lowrank/peft";
import { tinyClassifier, tinyTraining, tokenSeven } from "@lowrank/test-support/tinyClassifier";
import { collate, evaluate, type TokenizedExample, Trainer } from "@lowrank/train";
import { beforeAll, describe, expect, it } from "vitest";

beforeAll(() => init(reference()));

it("a classifier learns through LoRA and a head of its own, and its adapter comes back from its files", async () => {
  const peft = await getPeftModel(
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

describe("examples that name adapters", () => {
  const config = parseModelConfig({
    ...{ model_type: "llama", vocab_size: 12, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
    ...{ num_attention_heads: 2, max_position_embeddings: 16 },
  });
  const lora = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: "all-linear" });
  const newPeft = async () => {
    const peft = await getPeftModel(createModel(config, randomParameters(new Generator(5))), lora, {
      adapterName: "up",
    });
    await peft.addAdapter("down", lora, { generator: new Generator(6) });
    return peft;
  };
  /** Sequences that count upwards for one adapter and downwards for the other. */
  const examples = Array.from({ length: 8 }, (_, i): TokenizedExample => {
    const steps = Array.from({ length: 6 }, (_, t) => (i % 2 === 0 ? i + t : 20 + i - t));
    const inputIds = steps.map((n) => 1 + (n % 9));
    return { inputIds, labels: [...inputIds], adapterName: i % 2 === 0 ? "up" : "down" };
  });
  // Without clipping and eps, so that AdamW's updates do not depend on the scale of the gradients.
  const options = { ...tinyTraining, shuffle: false, maxGradNorm: 0, eps: 1e-15, maxSteps: 6 };
  const numbers = (peft: PeftModel, name: string) =>
    [...peft.adapterTensors(name).values()].flatMap((t) => Array.from(t.dataSync() as Float32Array));

  it("train them together as they train alone", async () => {
    const mixed = await newPeft();
    const { losses } = await new Trainer(mixed, examples, { ...options, batchSize: 4 }).train();
    const alone: number[][] = [];
    for (const name of ["up", "down"]) {
      const peft = await newPeft();
      peft.setAdapter(name);
      const own = examples.filter(({ adapterName }) => adapterName === name).map(({ adapterName: _, ...one }) => one);
      alone.push((await new Trainer(peft, own, { ...options, batchSize: 2 }).train()).losses);
      const [together, apart] = [numbers(mixed, name), numbers(peft, name)];
      expect(Math.max(...together.map((x, i) => Math.abs(x - apart[i])))).toBeLessThan(1e-4);
      expect(together).not.toEqual(numbers(await newPeft(), name));
    }
    for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo((alone[0][i] + alone[1][i]) / 2, 4);
    expect(mixed.activeAdapter).toBe("up");
    const measured = await evaluate(mixed, examples, { padTokenId: 0, batchSize: 3 });
    expect(measured.loss).toBeLessThan(losses[0]);
  });

  it("are refused where nothing could learn from them", async () => {
    const make = async (names: (string | undefined)[], model?: ConstructorParameters<typeof Trainer>[0]) => {
      const named = examples.map((one, i) => ({ ...one, adapterName: names[i % names.length] }));
      return new Trainer(model ?? (await newPeft()), named, { ...options, batchSize: 8 });
    };
    await expect(make(["up", "left"])).rejects.toThrow('there is no adapter "left"; there are up, down');
    await expect(make(["up", "__base__"])).rejects.toThrow(
      'Trainer: examples name adapter "__base__", which has no trainable parameters; leave these examples out, or make the adapter trainable',
    );
    const plain = createModel(config, randomParameters(new Generator(5))).setRequiresGrad(true);
    await expect(make(["up"], plain)).rejects.toThrow(
      "the examples name adapters (up), and the model has none; give a PeftModel",
    );
    const adaLora = await newPeft();
    await adaLora.addAdapter("ranks", new AdaLoraConfig({ totalStep: 9, targetModules: "all-linear" }));
    await expect(make(["ranks"], adaLora)).rejects.toThrow(
      'adapter "ranks" uses a method that reallocates ranks, which examples with an adapterName cannot train; leave adapterName out and make the adapter active with setAdapter',
    );
    expect(() => collate([examples[0], { inputIds: [1], labels: [1] }], { padTokenId: 0 })).toThrow(
      "collate: only some examples have an adapterName, example 1 has none; give all examples an adapterName, or none",
    );
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
    const peft = await getPeftModel(model, new PromptTuningConfig({ numVirtualTokens: 3 }));
    const parts = { batchSize, gradientAccumulationSteps, shuffle: false, maxSteps: 3 };
    const { losses } = await new Trainer(peft, texts, { ...tinyTraining, ...parts }).train();
    runs.push({ losses, evaluation: await evaluate(peft, texts, { padTokenId: 0, batchSize }) });
  }
  for (let i = 0; i < 3; i++) expect(runs[1].losses[i]).toBeCloseTo(runs[0].losses[i], 5);
  expect(runs[1].evaluation.loss).toBeCloseTo(runs[0].evaluation.loss, 5);
  expect(runs[0].evaluation.labels).toBe(texts.reduce((sum, { labels }) => sum + labels.length, 0));
});
