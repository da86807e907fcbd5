import type { Warning } from "@lowrank/peft";
import { beforeAll, describe, expect, test } from "vitest";
import {
  AdaLoraConfig,
  AdaptionPromptConfig,
  createModel,
  describeAdapter,
  describeModel,
  Generator,
  getPeftModel,
  IA3Config,
  init,
  LNTuningConfig,
  LoraConfig,
  type LoraOptions,
  type PeftConfig,
  PrefixTuningConfig,
  PromptEncoderConfig,
  parseModelConfig,
  presetConfig,
  RandLoraConfig,
  randomParameters,
  VeraConfig,
  wasm,
} from "./index.gen.ts";

beforeAll(async () => {
  await init(wasm());
});

const onPreset = (preset: string, options: LoraOptions) =>
  describeAdapter(describeModel(presetConfig(preset)), new LoraConfig(options));

// From the results of PEFT's method comparison on MetaMathQA, and from the papers' own counts.
test.each<[string, string, LoraOptions, number, number | null]>([
  ["PEFT's LoRA of rank 32 on Llama-3.2-3B", "llama-3.2-3b", { r: 32 }, 9_175_040, 36_715_216],
  ["PEFT's LoRA of rank 64 on Llama-3.2-3B", "llama-3.2-3b", { r: 64, useRslora: true }, 18_350_080, 73_415_408],
  ["PEFT's default on LLaMA 7B", "llama-7b", {}, 4_194_304, null],
  ["PEFT's default on LLaMA 13B", "llama-13b", {}, 6_553_600, null],
  ["PEFT's default on GPT-2", "gpt2", {}, 294_912, null],
  ["PEFT's default on GPT-2 medium", "gpt2-medium", {}, 786_432, null],
  ["PEFT's default on GPT-2 large", "gpt2-large", {}, 1_474_560, null],
  ["PEFT's default on GPT-2 XL", "gpt2-xl", {}, 2_457_600, null],
  ["QLoRA's adapter on LLaMA 7B", "llama-7b", { r: 64, targetModules: "all-linear" }, 159_907_840, null],
  ["QLoRA's adapter on LLaMA 13B", "llama-13b", { r: 64, targetModules: "all-linear" }, 250_347_520, null],
  ["QLoRA's adapter on LLaMA 33B", "llama-33b", { r: 64, targetModules: "all-linear" }, 487_587_840, null],
  ["QLoRA's adapter on LLaMA 65B", "llama-65b", { r: 64, targetModules: "all-linear" }, 799_539_200, null],
])("%s", async (_what, preset, options, trainable, fileBytes) => {
  const found = await onPreset(preset, options);
  expect(found.trainable).toBe(trainable);
  if (fileBytes !== null) expect(found.fileBytes).toBe(fileBytes);
});

const tiny = parseModelConfig({
  model_type: "llama",
  vocab_size: 40,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  attention_bias: true,
  tie_word_embeddings: true,
});

describe("is what the adapter comes to on the real model", () => {
  test.each<[string, LoraOptions]>([
    ["all linear layers", { r: 3, targetModules: "all-linear" }],
    ["patterns", { targetModules: ["q_proj", "up_proj"], rankPattern: { q_proj: 2 }, loraBias: true }],
    ["an embedding, whose table PEFT saves", { targetModules: ["embed_tokens", "v_proj"] }],
    ["biases and a whole module", { targetModules: ["k_proj"], bias: "all", modulesToSave: ["norm"] }],
    ["a start that is made from the weights", { r: 2, targetModules: ["q_proj"], initLoraWeights: "loftq" }],
    ["tokens", { targetModules: ["k_proj"], trainableTokenIndices: [1, 5] }],
  ])("%s", async (_what, options) => {
    const lora = new LoraConfig(options);
    const warnings: Warning[] = [];
    const model = createModel(tiny, randomParameters(new Generator(1)));
    const peft = await getPeftModel(model, lora, { onWarning: (warning) => warnings.push(warning) });
    const file = (await peft.adapterFiles()).get("adapter_model.safetensors") as Uint8Array;
    const found = await describeAdapter(describeModel(tiny), lora);
    expect(found.fileBytes).toBe(file.length);
    expect(found.trainable).toBe(peft.getNbTrainableParameters().trainable);
    expect(found.tensors).toEqual(
      Array.from(peft.adapterTensors(), ([name, { dtype, shape }]) => ({ name, dtype, shape })),
    );
    expect(found.report).toEqual(peft.targetReport);
    expect(found.config).toEqual(peft.peftConfig.get("default"));
    expect(found.warnings).toEqual(warnings);
  });

  test("and fails as it would", async () => {
    await expect(describeAdapter(describeModel(tiny), new LoraConfig({ targetModules: ["q_porj"] }))).rejects.toThrow(
      "did you mean q_proj",
    );
  });

  // Sizes of the files that PEFT 0.21.2 wrote for this model in bf16. Tensors copied from the model stay bf16.
  test.each<[string, PeftConfig, number]>([
    ["LoRA", new LoraConfig({ targetModules: ["q_proj"] }), 2576],
    ["a module trained whole", new LoraConfig({ targetModules: ["q_proj"], modulesToSave: ["norm"] }), 3304],
    ["all biases", new LoraConfig({ targetModules: ["k_proj"], bias: "all" }), 3760],
    ["the biases of adapted layers", new LoraConfig({ targetModules: ["k_proj"], bias: "lora_only" }), 2888],
    ["an embedding and its table", new LoraConfig({ targetModules: ["embed_tokens", "v_proj"] }), 5992],
    ["tokens", new LoraConfig({ targetModules: ["k_proj"], trainableTokenIndices: [1, 5] }), 2840],
    ["DoRA", new LoraConfig({ targetModules: ["q_proj", "down_proj"], useDora: true }), 6384],
    ["(IA)³", new IA3Config(), 1160],
    ["LN tuning", new LNTuningConfig(), 840],
    ["VeRA", new VeraConfig({ r: 4 }), 1968],
    ["adaption prompts", new AdaptionPromptConfig({ adapterLen: 4, adapterLayers: 1 }), 402],
    ["a prefix", new PrefixTuningConfig({ numVirtualTokens: 3 }), 888],
    ["P-tuning", new PromptEncoderConfig({ numVirtualTokens: 3, encoderHiddenSize: 8 }), 312],
    ["RandLoRA", new RandLoraConfig({ r: 4 }), 9856],
    ["AdaLoRA", new AdaLoraConfig({ totalStep: 10, tinit: 0, tfinal: 0 }), 7776],
  ])("over bf16: %s", async (_what, config, length) => {
    expect((await describeAdapter(describeModel(tiny), config, { dtype: "bf16" })).fileBytes).toBe(length);
  });
});
