import { Generator, init, memory, reference } from "@lowrank/core";
import { createModel, describeModel, parseModelConfig, randomParameters } from "@lowrank/models";
import {
  BOFTConfig,
  DeloraConfig,
  FourierFTConfig,
  GloraConfig,
  getPeftModel,
  LilyConfig,
  MissConfig,
  OFTConfig,
  type PeftConfig,
  planMemory,
  RandLoraConfig,
  ShiraConfig,
  VBLoRAConfig,
  VeraConfig,
  WaveFTConfig,
} from "@lowrank/peft";
import { beforeAll, expect, test } from "vitest";

beforeAll(() => init(reference()));

const config = parseModelConfig({
  model_type: "llama",
  vocab_size: 40,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
});
const targetModules = ["q_proj", "up_proj", "down_proj"];

test.each<[string, PeftConfig]>([
  ["VeRA's projections", new VeraConfig({ r: 5, targetModules })],
  ["RandLoRA's bases", new RandLoraConfig({ r: 4, targetModules })],
  ["DeLoRA's lengths", new DeloraConfig({ targetModules })],
  ["FourierFT's places and tables", new FourierFTConfig({ nFrequency: 30, targetModules })],
  ["WaveFT's places and filters", new WaveFTConfig({ nFrequency: 30, waveletFamily: "db2", targetModules })],
  ["SHiRA's places", new ShiraConfig({ r: 2, targetModules })],
  ["GLoRA's zeros", new GloraConfig({ r: 2, targetModules })],
  ["Lily's factors, each once", new LilyConfig({ r: 3, strideA: 2, targetModules })],
  ["OFT's map of blocks", new OFTConfig({ oftBlockSize: 8, targetModules })],
  ["BOFT's orders", new BOFTConfig({ boftBlockSize: 2, boftNButterflyFactor: 2, targetModules })],
  ["MiSS's rows", new MissConfig({ r: 3, targetModules })],
  ["nothing but the bank and logits of VB-LoRA", new VBLoRAConfig({ vectorLength: 8, numVectors: 9, targetModules })],
])("%s are in the plan, to the byte", async (_what, adapter) => {
  const model = createModel(config, randomParameters(new Generator(1)));
  const before = memory().bytes;
  const peft = await getPeftModel(model, adapter, { onWarning: () => {} });
  const { bytes, parameters } = (await planMemory(describeModel(config), { adapter })).adapter;
  expect(memory().bytes - before).toBe(bytes);
  expect(peft.getNbTrainableParameters().trainable).toBe(parameters);
});
