import { memoryFiles } from "@lowrank/files";
import { describe, expect, test } from "vitest";
import { parseGenerationConfig } from "../../config/generationConfig.ts";
import { readGenerationConfig } from "../../config/readGenerationConfig.ts";
import { classifiesSequences, describeConfig } from "../build/createModel.ts";
import { parseClassifierConfig, parseModelConfig, parseTokenClassifierConfig, toHfConfig } from "./modelConfig.ts";
import { readModelConfig } from "./readModelConfig.ts";

const llama = (more: object = {}) => parseModelConfig({ model_type: "llama", ...more });
const gpt2 = (more: object = {}) => parseModelConfig({ model_type: "gpt2", ...more });

test.each<[string, object, string]>([
  ["llama", { num_hidden_layers: 2 ** 31 }, "num_hidden_layers is 2147483648; expected a whole number from 1 to 10000"],
  ["gpt2", { n_layer: 10_001 }, "n_layer is 10001; expected a whole number from 1 to 10000"],
  ["llama", { head_dim: 2 ** 31 }, "head_dim is 2147483648; expected a whole number from 1 to 16777216"],
  ["llama", { hidden_size: 0 }, "hidden_size is 0; expected a whole number from 1"],
  ["qwen2_moe", { num_experts: 1e300 }, "num_experts is 1e+300; expected a whole number from 1"],
  ["llama", { rms_norm_eps: -1e-6 }, "rms_norm_eps is -0.000001; expected a number above 0 and at most 1"],
  ["gpt_neox", { layer_norm_eps: 0 }, "layer_norm_eps is 0; expected a number above 0 and at most 1"],
  ["gpt2", { layer_norm_epsilon: 2 }, "layer_norm_epsilon is 2; expected a number above 0 and at most 1"],
  ["llama", { rope_theta: 0 }, "rope_theta is 0; expected a number above 0"],
  ["gemma3_text", { rope_local_base_freq: -1 }, "rope_local_base_freq is -1; expected a number above 0"],
  ["granite", { logits_scaling: 0 }, "logits_scaling is 0; expected a number above 0"],
])("%s: sizes and small numbers are within range: %o", (model_type, more, message) => {
  expect(() => parseModelConfig({ model_type, ...more })).toThrow(message);
});

test("labels have the numbers from 0 on", () => {
  const read = (id2label: unknown) => parseClassifierConfig({ model_type: "bert", id2label });
  expect(read({ "1": "b", "0": "a" })).toMatchObject({ labels: ["a", "b"] });
  for (const wrong of [{ "4294967294": "a" }, { "0": "a", "2": "c" }, {}]) {
    expect(() => read(wrong)).toThrow("expected names for the indices from 0 on");
  }
  expect(() => read("a")).toThrow('id2label: expected a JSON object, found "a"');
});

describe("defaults of transformers", () => {
  test("llama", () => {
    expect(llama()).toEqual({
      modelType: "llama",
      vocabSize: 32000,
      hiddenSize: 4096,
      intermediateSize: 11008,
      numHiddenLayers: 32,
      numAttentionHeads: 32,
      numKeyValueHeads: 32,
      headDim: 128,
      hiddenAct: "silu",
      maxPositionEmbeddings: 2048,
      rmsNormEps: 1e-6,
      attentionDropout: 0,
      rope: { theta: 10000, partialRotaryFactor: 1, scaling: null },
      tieWordEmbeddings: false,
      attentionBias: false,
      mlpBias: false,
      bosTokenId: 1,
      eosTokenIds: [2],
      padTokenId: null,
    });
  });

  test("gpt2", () => {
    expect(gpt2()).toEqual({
      modelType: "gpt2",
      vocabSize: 50257,
      nPositions: 1024,
      nEmbd: 768,
      nLayer: 12,
      nHead: 12,
      nInner: 3072,
      setsInner: false,
      activationFunction: "gelu_new",
      layerNormEpsilon: 1e-5,
      scaleAttnWeights: true,
      scaleAttnByInverseLayerIdx: false,
      tieWordEmbeddings: true,
      attnPdrop: 0.1,
      embdPdrop: 0.1,
      residPdrop: 0.1,
      bosTokenId: 50256,
      eosTokenIds: [50256],
      padTokenId: null,
    });
  });

  test("null is the absence of a token, and of any other value", () => {
    const ids = { bos_token_id: null, eos_token_id: null, pad_token_id: null };
    expect(llama({ ...ids, head_dim: null })).toMatchObject({
      bosTokenId: null,
      eosTokenIds: [],
      padTokenId: null,
      headDim: 128,
    });
    expect(llama({ eos_token_id: [7, 8] })).toMatchObject({ eosTokenIds: [7, 8] });
  });
});

describe("rotary embedding", () => {
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
  const llama3Rope = {
    theta: 5e5,
    scaling: { type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 8192 },
  };

  test.each([
    ["transformers 4", { rope_theta: 5e5, rope_scaling: { ...llama3, rope_type: "llama3" } }, llama3Rope],
    ["transformers 5", { rope_parameters: { ...llama3, rope_theta: 5e5, rope_type: "llama3" } }, llama3Rope],
    [
      "an old key",
      { rope_scaling: { type: "linear", factor: 2 } },
      { theta: 1e4, scaling: { type: "linear", factor: 2 } },
    ],
    ["default", { rope_parameters: { rope_type: "default", rope_theta: 9 } }, { theta: 9, scaling: null }],
    ["theta outside", { rope_theta: 9, rope_parameters: { rope_type: "default" } }, { theta: 9, scaling: null }],
    ["null", { rope_theta: 1e6, rope_scaling: null }, { theta: 1e6, scaling: null }],
  ])("%s", (_, keys, rope) => {
    const config = llama(keys);
    expect(config).toMatchObject({ rope });
    expect(parseModelConfig(toHfConfig(config))).toEqual(config);
  });
});

test("rotary embedding of Gemma 3's windowed layers has the theta 10000 by default", () => {
  const read = (own: object) =>
    parseModelConfig({
      model_type: "gemma3_text",
      rope_parameters: { full_attention: { rope_theta: 5 }, sliding_attention: { rope_type: "default", ...own } },
    });
  expect(read({})).toMatchObject({ rope: { theta: 5 }, localRope: { theta: 10000 } });
  expect(read({ rope_theta: 7 })).toMatchObject({ rope: { theta: 5 }, localRope: { theta: 7 } });
});

describe("errors name the key, the value and what is supported", () => {
  test.each([
    [() => parseModelConfig({ model_type: "mamba" }), 'model_type is "mamba"; expected "gemma2" or'],
    [() => parseModelConfig({}, "my/config.json"), "my/config.json: model_type is missing"],
    [() => parseModelConfig([]), "config.json: expected a JSON object, found []"],
    [() => llama({ hidden_act: "mish" }), 'hidden_act is "mish"; expected "silu" or'],
    [() => llama({ rope_scaling: { rope_type: "axial", factor: 2 } }), 'rope_type is "axial"; expected "default"'],
    [() => llama({ rope_scaling: { type: "dynamic", factor: 0.5 } }), "rope_scaling: factor is 0.5"],
    [() => llama({ rope_scaling: { rope_type: "linear" } }), "rope_scaling: factor is missing"],
    [() => llama({ rope_parameters: { partial_rotary_factor: 1.5 } }), "partial_rotary_factor is 1.5"],
    [() => llama({ layer_types: ["full_attention", "sliding_attention"] }), "layer_types is ["],
    [() => llama({ hidden_size: "64" }), 'hidden_size is "64"; expected a whole number'],
    [() => llama({ num_hidden_layers: 0 }), "num_hidden_layers is 0"],
    [() => llama({ num_attention_heads: 6, hidden_size: 48, num_key_value_heads: 4 }), "num_key_value_heads is 4"],
    [() => llama({ hidden_size: 50, num_attention_heads: 4 }), "hidden_size is 50"],
    [() => llama({ head_dim: 5 }), "a head has 5 entries"],
    [() => llama({ tie_word_embeddings: 1 }), "tie_word_embeddings is 1; expected true or false"],
    [() => llama({ eos_token_id: "</s>" }), 'eos_token_id is "</s>"; expected a token id'],
    [() => gpt2({ n_head: 7 }), "n_head is 7; expected a divisor of n_embd 768"],
    [() => gpt2({ attn_pdrop: 1 }), "attn_pdrop is 1"],
    [() => gpt2({ add_cross_attention: true }), "add_cross_attention is true"],
  ])("%#", (read, message) => {
    expect(read).toThrow(message);
  });
});

test("what is written is read back", () => {
  const configs = [
    llama({ eos_token_id: [3, 4], pad_token_id: 0, hidden_act: "swish", mlp_bias: true, num_key_value_heads: 8 }),
    gpt2({ n_inner: 100, eos_token_id: null, tie_word_embeddings: false, resid_pdrop: 0 }),
    gpt2(),
  ];
  for (const config of configs) expect(parseModelConfig(toHfConfig(config))).toEqual(config);
  expect(toHfConfig(gpt2())).toMatchObject({ n_inner: null, eos_token_id: 50256, torch_dtype: "float32" });
  expect(toHfConfig(gpt2(), { dtype: "float16" })).toMatchObject({ torch_dtype: "float16" });
});

test("files: config.json must be there and be JSON", async () => {
  const read = (contents: Record<string, string>) => readModelConfig(memoryFiles(contents, "mine"));
  expect(await read({ "config.json": '{"model_type": "gpt2"}' })).toEqual(gpt2());
  await expect(read({ "a.txt": "" })).rejects.toThrow("mine has no config.json (it holds a.txt)");
  await expect(read({ "config.json": "{" })).rejects.toThrow("mine: config.json is not valid JSON");
  await expect(read({ "config.json": '{"model_type": 3}' })).rejects.toThrow("config.json of mine: model_type is 3");
});

test("generation_config.json", async () => {
  const silent = parseGenerationConfig({});
  expect(silent).toMatchObject({ doSample: false, temperature: null, topK: null, topP: null, eosTokenIds: [] });
  const json = { do_sample: true, temperature: 0.7, top_k: 0, top_p: 0.9, eos_token_id: [1, 2], max_new_tokens: 5 };
  expect(parseGenerationConfig(json)).toMatchObject({
    doSample: true,
    temperature: 0.7,
    topK: 0,
    topP: 0.9,
    eosTokenIds: [1, 2],
    maxNewTokens: 5,
  });
  expect(() => parseGenerationConfig({ top_k: "x" })).toThrow('top_k is "x"');
  expect(await readGenerationConfig(memoryFiles({}))).toBeNull();
  const files = memoryFiles({ "generation_config.json": '{"top_p": 1}' });
  expect(await readGenerationConfig(files)).toMatchObject({ topP: 1 });
});

test("a token classifier's config has no kind of problem", () => {
  const config = parseTokenClassifierConfig({ model_type: "bert", num_labels: 3, problem_type: "regression" });
  expect(config).toMatchObject({ perToken: true, problemType: null, labels: ["LABEL_0", "LABEL_1", "LABEL_2"] });
});

test.each<[string, string[] | undefined, boolean | undefined, string]>([
  ["llama", undefined, undefined, "lm_head"],
  ["llama", ["LlamaForCausalLM"], false, "lm_head"],
  ["llama", ["LlamaForSequenceClassification"], undefined, "score"],
  ["llama", ["LlamaForCausalLM"], true, "score"],
  ["llama", undefined, true, "score"],
  ["gemma4_text", undefined, true, "lm_head"],
  ["bert", undefined, undefined, "classifier"],
  ["bert", ["BertModel"], undefined, "none"],
  ["bert", ["BertForTokenClassification"], false, "none"],
  ["bert", ["BertModel"], true, "classifier"],
  ["bert", ["BertForSequenceClassification"], undefined, "classifier"],
])(
  "a %s with the architectures %j and classifies %j has the head %s",
  (model_type, architectures, classifies, head) => {
    const json = { model_type, architectures, num_hidden_layers: 1 };
    const found = describeConfig(json, { classifies, where: "a" });
    expect("head" in found ? found.head : "none").toBe(head);
    if (!classifies) expect(classifiesSequences(json)).toBe(["classifier", "score"].includes(head));
    expect(() => describeConfig({ ...json, model_type: "x" }, { where: "a" })).toThrow('a: model_type is "x"');
  },
);

test("Qwen's windows begin at max_window_layers, and in Qwen2 MoE end there", () => {
  const types = (model_type: string, more: object = {}) => {
    const config = parseModelConfig({ model_type, num_hidden_layers: 5, use_sliding_window: true, ...more });
    return (config as unknown as { layerTypes: string[] }).layerTypes.map((type) => Number(type.startsWith("sliding")));
  };
  for (const model_type of ["qwen2", "qwen3"]) {
    expect(types(model_type, { max_window_layers: 0 })).toEqual([1, 1, 1, 1, 1]);
    expect(types(model_type, { max_window_layers: 3 })).toEqual([0, 0, 0, 1, 1]);
    expect(types(model_type)).toEqual([0, 0, 0, 0, 0]);
  }
  expect(types("qwen2_moe", { max_window_layers: 0 })).toEqual([0, 0, 0, 0, 0]);
  expect(types("qwen2_moe", { max_window_layers: 2 })).toEqual([1, 0, 0, 0, 0]);
  expect(types("qwen2_moe", { max_window_layers: 3 })).toEqual([1, 0, 1, 0, 0]);
  expect(types("qwen2_moe")).toEqual([1, 0, 1, 0, 1]);
  const many = parseModelConfig({ model_type: "qwen2", num_hidden_layers: 30, use_sliding_window: true });
  expect((many as unknown as { layerTypes: string[] }).layerTypes.indexOf("sliding_attention")).toBe(28);
});
