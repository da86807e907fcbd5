import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, memory, reference } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { AdaLoraConfig, getPeftModel } from "@lowrank/peft";
import { Trainer, type TrainerOptions } from "@lowrank/train";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;

beforeAll(async () => {
  await init(reference());
  folder = await mkdtemp(join(tmpdir(), "lowrank-adalora-"));
});

afterAll(() => rm(folder, { recursive: true }));

const sizes = { vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 };
const config = parseModelConfig({ model_type: "llama", ...sizes, num_attention_heads: 2, max_position_embeddings: 16 });
const totalStep = 10;

async function newModel() {
  const adaLora = new AdaLoraConfig({
    initR: 4,
    targetR: 2,
    tinit: 1,
    tfinal: 3,
    totalStep,
    targetModules: "all-linear",
  });
  return await getPeftModel(createModel(config, randomParameters(new Generator(5))), adaLora);
}

const examples = Array.from({ length: 8 }, (_, i) => {
  const inputIds = Array.from({ length: 5 }, (_, t) => 1 + ((i * 3 + t) % 9));
  return { inputIds, labels: inputIds };
});
const options: TrainerOptions = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: totalStep };

const ranks = (peft: Awaited<ReturnType<typeof newModel>>) =>
  (peft.peftConfig.get("default") as AdaLoraConfig).rankPattern;

test("Trainer lets AdaLoRA give out ranks, and a resumed run goes on to the last bit", async () => {
  const peft = await newModel();
  const buffers: number[] = [];
  const onStep = () => buffers.push(memory().buffers);
  const whole = await new Trainer(peft, examples, { ...options, onStep }).train();
  const kept = Object.values(ranks(peft) ?? {}).flat();
  expect(kept.length).toBe(4 * 7);
  expect(kept.filter((stays) => stays).length).toBe(2 * 7);
  expect(buffers[5]).toBe(buffers[3]);
  await new Trainer(await newModel(), examples, { ...options, checkpoints: { folder, every: 3 } }).train();
  for (const step of [3, 9]) {
    const again = await newModel();
    const resumed = new Trainer(again, examples, options);
    await resumed.resume(join(folder, `checkpoint-${step}`));
    expect((await resumed.train()).losses).toEqual(whole.losses.slice(step));
    expect(ranks(again)).toEqual(ranks(peft));
    expect(await again.adapterFiles()).toEqual(await peft.adapterFiles());
  }
});
