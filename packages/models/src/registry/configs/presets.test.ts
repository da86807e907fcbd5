import { OptionError } from "@lowrank/core";
import { expect, test } from "vitest";
import { describeConfig, describeModel } from "../build/createModel.ts";
import { parseStackConfig, toHfConfig } from "./modelConfig.ts";
import { presetConfig, presetJson, presetNames, stackPresetNames } from "./presets.ts";

// Parameter counts as published, or of the released checkpoints.
const counts: Record<string, number> = {
  gpt2: 124_439_808,
  "gpt2-medium": 354_823_168,
  "gpt2-large": 774_030_080,
  "gpt2-xl": 1_557_611_200,
  "gpt3-175b": 174_604_259_328,
  "llama-7b": 6_738_415_616,
  "llama-13b": 13_015_864_320,
  "llama-33b": 32_528_943_616,
  "llama-65b": 65_285_660_672,
  "llama-2-7b": 6_738_415_616,
  "llama-2-13b": 13_015_864_320,
  "llama-2-70b": 68_976_648_192,
  "llama-3-8b": 8_030_261_248,
  "llama-3-70b": 70_553_706_496,
  "llama-3.2-1b": 1_235_814_400,
  "llama-3.2-3b": 3_212_749_824,
  "smollm2-135m": 134_515_008,
  "smollm2-360m": 361_821_120,
  "smollm2-1.7b": 1_711_376_384,
  "tinyllama-1.1b": 1_100_048_384,
  stories15m: 15_191_712,
};

test("each preset has the parameters of the published model", () => {
  const names = presetNames().filter((name) => name in counts);
  const found = names.map((name) => [name, describeModel(presetConfig(name)).parameterCount]);
  expect(Object.fromEntries(found)).toEqual(counts);
});

test("the seven linear layers of Llama's blocks are those that QLoRA quantises", () => {
  const linear = (name: string) => {
    const { layers, head } = describeModel(presetConfig(name));
    const sizes = layers.map((layer) =>
      layer.kind === "linear" && layer.path !== head ? layer.inFeatures * layer.outFeatures : 0,
    );
    return sizes.reduce((a, b) => a + b, 0);
  };
  expect(["llama-7b", "llama-13b", "llama-33b", "llama-65b"].map(linear)).toEqual([
    6_476_005_376, 12_687_769_600, 32_102_154_240, 64_760_053_760,
  ]);
});

// Parameter counts as published.
test.each([
  ["gemma-2-2b", 2_614_341_888],
  ["gemma-3-270m", 268_098_176],
  ["gemma-3-1b", 999_885_952],
  ["qwen3-0.6b", 596_049_920],
  ["qwen3-8b", 8_190_735_360],
  ["phi-3-mini", 3_821_079_552],
  ["smollm3-3b", 3_075_098_624],
  ["lfm2-350m", 354_483_968],
  ["lfm2-1.2b", 1_170_340_608],
  ["granite-3.3-2b", 2_533_539_840],
  ["olmo-2-1b", 1_484_916_736],
  ["pythia-160m", 162_322_944],
  ["pythia-1.4b", 1_414_647_808],
  ["stablelm-2-1.6b", 1_644_515_328],
  ["mixtral-8x7b", 46_702_792_704],
  ["qwen1.5-moe-a2.7b", 14_315_784_192],
])("the preset %s has %d parameters", (name, count) => {
  expect(describeModel(presetConfig(name)).parameterCount).toBe(count);
});

// Positions, base of the rotary embedding, ids of the first and last token, as in the published config.json.
test.each<[string, number, number | undefined, number | null, number | null]>([
  ["gpt2", 1024, undefined, 50256, 50256],
  ["gpt3-175b", 2048, undefined, 50256, 50256],
  ["llama-7b", 2048, 1e4, 1, 2],
  ["llama-2-7b", 4096, 1e4, 1, 2],
  ["llama-2-70b", 4096, 1e4, 1, 2],
  ["llama-3-8b", 8192, 5e5, 128000, 128001],
  ["llama-3-70b", 8192, 5e5, 128000, 128001],
  ["llama-3.2-1b", 131072, 5e5, 128000, 128001],
  ["smollm2-135m", 8192, 1e5, 0, 0],
  ["smollm2-1.7b", 8192, 1.3e5, 0, 0],
  ["tinyllama-1.1b", 2048, 1e4, 1, 2],
  ["stories15m", 256, 1e4, 1, 2],
  ["mistral-7b", 32768, 1e4, 1, 2],
  ["mixtral-8x7b", 32768, 1e6, 1, 2],
  ["gemma-3-1b", 32768, 1e6, 2, 1],
  ["granite-3.3-2b", 131072, 1e7, 0, 0],
  ["lfm2-350m", 128000, 1e6, 1, 7],
  ["lfm2-1.2b", 128000, 1e6, 1, 7],
  ["olmo-2-1b", 4096, 5e5, null, 100257],
  ["phi-3-mini", 4096, 1e4, 1, 32000],
  ["pythia-1.4b", 2048, 1e4, 0, 0],
  ["qwen2.5-7b", 131072, 1e6, null, null],
  ["qwen1.5-moe-a2.7b", 8192, 1e6, null, null],
  ["qwen3-8b", 40960, 1e6, null, null],
  ["smollm3-3b", 65536, 5e6, 128000, 128001],
  ["stablelm-2-1.6b", 4096, 1e4, 0, 100257],
])("the preset %s has %d positions and its own tokens", (name, positions, theta, first, last) => {
  const json = toHfConfig(presetConfig(name));
  expect(json.max_position_embeddings ?? json.n_positions).toBe(positions);
  expect(json.rope_theta).toBe(theta);
  expect([json.bos_token_id, json.eos_token_id]).toEqual([first, last]);
});

test("presets have the other published settings", () => {
  const of = (name: string) => toHfConfig(presetConfig(name));
  const scaling = { rope_type: "llama3", factor: 32, low_freq_factor: 1, high_freq_factor: 4 };
  for (const name of ["llama-3.2-1b", "llama-3.2-3b"]) {
    expect(of(name)).toMatchObject({ rope_scaling: { ...scaling, original_max_position_embeddings: 8192 } });
  }
  for (const [name, heads, groups] of [
    ["llama-2-70b", 64, 8],
    ["smollm2-135m", 9, 3],
    ["smollm2-360m", 15, 5],
    ["tinyllama-1.1b", 32, 4],
  ]) {
    expect(of(String(name))).toMatchObject({ num_attention_heads: heads, num_key_value_heads: groups });
  }
  const tied = [...presetNames()].filter((name) => of(name).tie_word_embeddings).map((name) => name.split("-")[0]);
  const families = ["gemma", "gpt2", "gpt3", "granite", "lfm2", "llama", "smollm2", "stories15m", "qwen2.5", "qwen3"];
  expect([...new Set(tied)].toSorted()).toEqual([...families, "smollm3"].toSorted());
  expect(of("qwen2.5-7b").tie_word_embeddings).toBe(false);
  expect(of("qwen3-8b").tie_word_embeddings).toBe(false);
  expect(of("phi-3-mini").sliding_window).toBe(2047);
  expect(of("mistral-7b")).toMatchObject({ sliding_window: 4096, rms_norm_eps: 1e-5 });
});

// Parameters and settings of the published encoders, without heads.
test.each<[string, number, object]>([
  ["bert-base", 109_482_240, { max_position_embeddings: 512, num_attention_heads: 12, layer_norm_eps: 1e-12 }],
  ["bert-large", 335_141_888, { max_position_embeddings: 512, num_attention_heads: 16, layer_norm_eps: 1e-12 }],
  ["roberta-base", 124_645_632, { max_position_embeddings: 514, num_attention_heads: 12, layer_norm_eps: 1e-5 }],
  ["roberta-large", 355_359_744, { max_position_embeddings: 514, num_attention_heads: 16, layer_norm_eps: 1e-5 }],
  ["distilbert-base", 66_362_880, { max_position_embeddings: 512, n_heads: 12 }],
  ["modernbert-base", 149_014_272, { max_position_embeddings: 8192, num_attention_heads: 12, local_attention: 128 }],
  [
    "deberta-v2-xxlarge",
    1_564_549_632,
    {
      ...{ num_attention_heads: 24, position_buckets: 256, max_relative_positions: 512, conv_kernel_size: 3 },
      ...{ position_biased_input: false, relative_attention: true, share_att_key: true, norm_rel_ebd: "layer_norm" },
      ...{ pos_att_type: ["c2p", "p2c"], type_vocab_size: 0, layer_norm_eps: 1e-7 },
    },
  ],
])("the preset of the encoder %s has %d parameters", (name, count, settings) => {
  const json = presetJson(name);
  expect(describeConfig(json).parameterCount).toBe(count);
  expect(toHfConfig(parseStackConfig(json) as never)).toMatchObject(settings);
});

test("an unknown name gets the nearest one, and all", () => {
  expect(() => presetConfig("llama-2-7")).toThrow(
    'there is no preset "llama-2-7"; did you mean llama-2-7b? There are gemma-2-2b, gemma-3-270m,',
  );
  expect(() => presetConfig("smolm2")).toThrow('there is no preset "smolm2"; did you mean smollm2-135m? There are');
  expect(() => presetConfig("smolm2")).toThrow(OptionError);
  expect(() => presetConfig("toString")).toThrow('there is no preset "toString"; there are');
});

test("presets of encoders are apart from those of language models", () => {
  const [languageModels, stacks] = [presetNames(), stackPresetNames()];
  expect(stacks.length).toBeGreaterThan(0);
  expect(languageModels.filter((name) => stacks.includes(name))).toEqual([]);
  expect(presetJson("gpt2")).toMatchObject({ model_type: "gpt2" });
  for (const name of stacks) expect(presetJson(name)).toMatchObject({ model_type: expect.any(String) });
  expect(presetJson("gpt9")).toBeUndefined();
});

test("layers are described with their kind, sizes and bias", () => {
  const layerOf = (preset: string, path: string) =>
    describeModel(presetConfig(preset)).layers.find((layer) => layer.path === path);
  const attention = "transformer.h.0.attn.c_attn";
  expect(layerOf("gpt2", attention)).toEqual({
    ...{ path: attention, kind: "conv1d", inFeatures: 768, outFeatures: 2304, bias: true },
  });
  const query = "model.layers.0.self_attn.q_proj";
  expect(layerOf("llama-7b", query)).toEqual({
    ...{ path: query, kind: "linear", inFeatures: 4096, outFeatures: 4096, bias: false },
  });
  expect(layerOf("llama-7b", "model.norm")).toEqual({ path: "model.norm", kind: "norm", dim: 4096, bias: false });
  expect(layerOf("gpt2", "transformer.wte")).toEqual({
    ...{ path: "transformer.wte", kind: "embedding", rows: 50257, dim: 768 },
  });
});
