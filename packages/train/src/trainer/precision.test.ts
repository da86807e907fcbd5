import { type Backend, Generator, init, type MatmulPrecision } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, expect, it } from "vitest";
import { Trainer } from "./trainer.ts";

const sizes = { vocab_size: 256, hidden_size: 128, intermediate_size: 256, num_hidden_layers: 2 };
const config = parseModelConfig({ model_type: "llama", ...sizes, num_attention_heads: 2, tie_word_embeddings: true });
const examples = Array.from({ length: 8 }, (_, i) => {
  const inputIds = Array.from({ length: 24 }, (_, t) => (i * 37 + t * 11) % 256);
  return { inputIds, labels: inputIds };
});

let backend: Backend;
beforeAll(async () => {
  backend = await init(await wasm());
});

/** Returns the losses of 12 LoRA steps. */
async function lossesUnder(precision?: MatmulPrecision): Promise<number[]> {
  await init(backend);
  const base = createModel(config, randomParameters(new Generator(3)));
  const lora = new LoraConfig({ r: 4, loraAlpha: 8, targetModules: "all-linear", taskType: "CAUSAL_LM" });
  const peft = await getPeftModel(base, lora, { generator: new Generator(4) });
  const losses: number[] = [];
  const settings = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 12 };
  const onStep = ({ loss }: { loss: number }) => losses.push(loss);
  await new Trainer(peft, examples, { ...settings, precision, onStep }).train();
  return losses;
}

it("a training of high precision follows that in f32, and is another", async () => {
  const [exact, high] = [await lossesUnder(), await lossesUnder("high")];
  expect(await lossesUnder("highest")).toEqual(exact);
  expect(high).not.toEqual(exact);
  for (const [step, loss] of high.entries()) expect(Math.abs(loss - exact[step])).toBeLessThan(2e-3);
});

it("a precision that is none is an error by name", async () => {
  await expect(lossesUnder("rough" as MatmulPrecision)).rejects.toThrow(
    'Trainer: precision is "rough"; give one of highest, high, medium',
  );
});
