import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GgufHeader, GgufTensorInfo } from "../../gguf/readGguf.ts";
import { ggmlTypes } from "../../gguf/types/ggmlTypes.ts";
import { parseModelConfig } from "../../registry/configs/modelConfig.ts";
import { ggufConfig } from "./openGguf.ts";

const f32 = ggmlTypes.get(0)!;

function header(metadata: Record<string, unknown>, names: string[] = []): GgufHeader {
  const tensors = ["token_embd.weight", ...names].map((name): [string, GgufTensorInfo] => [
    name,
    { name, type: f32, shape: [100, 64], offset: 0, byteLength: 25600 },
  ]);
  return {
    version: 3,
    metadata: new Map(Object.entries(metadata).map(([key, value]) => [key, { type: "", value }])),
    tensors: new Map(tensors),
  };
}

const llama = {
  "general.architecture": "llama",
  "llama.block_count": 2,
  "llama.context_length": 128,
  "llama.embedding_length": 64,
  "llama.feed_forward_length": 96,
  "llama.attention.head_count": 4,
  "llama.attention.layer_norm_rms_epsilon": Math.fround(1e-5),
  "tokenizer.ggml.bos_token_id": 1,
};
const config = (more: Record<string, unknown>, names?: string[], factors?: Float32Array) =>
  ggufConfig(header({ ...llama, ...more }, names), "x.gguf", new Map(factors && [["rope_freqs.weight", factors]]));

describe("llama", () => {
  test("takes transformers' keys and defaults", async () => {
    expect(parseModelConfig(await config({}))).toEqual({
      modelType: "llama",
      vocabSize: 100,
      hiddenSize: 64,
      intermediateSize: 96,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      numKeyValueHeads: 4,
      headDim: 16,
      hiddenAct: "silu",
      maxPositionEmbeddings: 128,
      rmsNormEps: 1e-5,
      attentionDropout: 0,
      rope: { theta: 10000, partialRotaryFactor: 1, scaling: null },
      tieWordEmbeddings: true,
      attentionBias: false,
      mlpBias: false,
      bosTokenId: 1,
      eosTokenIds: [],
      padTokenId: null,
    });
  });

  test("reads what a file may say besides", async () => {
    const more = {
      "llama.attention.head_count_kv": 2,
      "llama.attention.key_length": 32,
      "llama.attention.value_length": 32,
      "llama.rope.dimension_count": 32,
      "llama.rope.freq_base": 5e5,
      "llama.rope.scaling.type": "linear",
      "llama.rope.scaling.factor": 4,
      "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.padding_token_id": 0,
    };
    expect(
      parseModelConfig(await config(more, ["output.weight", "blk.0.attn_q.bias", "blk.0.ffn_up.bias"])),
    ).toMatchObject({
      numKeyValueHeads: 2,
      headDim: 32,
      rope: { theta: 5e5, scaling: { type: "linear", factor: 4 } },
      tieWordEmbeddings: false,
      attentionBias: true,
      mlpBias: true,
      eosTokenIds: [2],
      padTokenId: 0,
    });
    expect(await config({ "llama.rope.scale_linear": 2 })).toMatchObject({
      rope_scaling: { rope_type: "linear", factor: 2 },
    });
  });

  test("knows Llama 3.1's scaling from its factors", async () => {
    const dims = { "llama.attention.key_length": 128, "llama.rope.freq_base": 5e5 };
    // The same formula as in llama.cpp's converter.
    const factors = Float32Array.from({ length: 64 }, (_, i) => {
      const wavelength = 2 * Math.PI * 5e5 ** (i / 64);
      if (wavelength < 8192 / 4) return 1;
      if (wavelength > 8192) return 8;
      const smooth = (8192 / wavelength - 1) / 3;
      return 1 / ((1 - smooth) / 8 + smooth);
    });
    expect(await config(dims, [], factors)).toMatchObject({
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    });
    const message =
      "x.gguf: rope_freqs.weight is not the RoPE scaling of Llama 3.1 to 3.3, and no other scaling factors are supported";
    await expect(
      config(
        dims,
        [],
        factors.map((f, i) => (i === 30 ? f * 1.01 : f)),
      ),
    ).rejects.toThrow(message);
    await expect(config(dims, [], factors.subarray(0, 63))).rejects.toThrow(message);
  });

  test.each([
    [{ "llama.attention.value_length": 8 }, "llama.attention.value_length is 8; expected the size of a head, 16"],
    [{ "llama.rope.dimension_count": 8 }, "llama.rope.dimension_count is 8; expected the size of a head, 16"],
    [
      { "llama.expert_count": 8, "llama.attention.sliding_window": 64 },
      "llama.expert_count is 8; expected 0: a mistral has no experts here",
    ],
    [{ "llama.rope.scaling.type": "yarn" }, 'llama.rope.scaling.type is "yarn"; expected "none" or "linear"'],
    [{ "llama.attention.head_count_kv": [4, 2] }, "llama.attention.head_count_kv is [4,2]; expected a whole number"],
    [{ "llama.block_count": undefined }, "x.gguf: llama.block_count is missing"],
    [{ "general.architecture": "mamba" }, 'general.architecture is "mamba"; expected "gemma2" or'],
  ])("refuses %o", async (more, message) => {
    await expect(config(more)).rejects.toThrow(message);
  });
});

test("gpt2", async () => {
  const gpt2 = {
    "general.architecture": "gpt2",
    "gpt2.block_count": 2,
    "gpt2.context_length": 128,
    "gpt2.embedding_length": 64,
    "gpt2.feed_forward_length": 256,
    "gpt2.attention.head_count": 4,
    "gpt2.attention.layer_norm_epsilon": Math.fround(1e-6),
  };
  expect(parseModelConfig(await ggufConfig(header(gpt2), "x.gguf"))).toMatchObject({
    modelType: "gpt2",
    vocabSize: 100,
    nPositions: 128,
    nEmbd: 64,
    nLayer: 2,
    nHead: 4,
    nInner: 256,
    activationFunction: "gelu_new",
    layerNormEpsilon: 1e-6,
    tieWordEmbeddings: true,
  });
});

/** The config that a file of another architecture gives, with some keys, tensors and divisors of frequencies. */
function other(
  architecture: string,
  more: Record<string, unknown> = {},
  shapes: Record<string, number[]> = {},
  factors: Record<string, number[]> = {},
) {
  const keys = {
    ...{ block_count: 2, context_length: 128, embedding_length: 64, feed_forward_length: 96 },
    ...{ "attention.head_count": 4, "attention.layer_norm_epsilon": 0.5, "attention.layer_norm_rms_epsilon": 0.5 },
    ...more,
  };
  const named = Object.entries(keys).map(([key, value]) => [`${architecture}.${key}`, value]);
  const { metadata, ...rest } = header({ "general.architecture": architecture, ...Object.fromEntries(named) });
  const tensors = new Map(rest.tensors);
  for (const [name, shape] of Object.entries(shapes)) {
    tensors.set(`${name}.weight`, { name: `${name}.weight`, type: f32, shape, offset: 0, byteLength: 0 });
  }
  const divisors = Object.entries(factors).map(([name, of]) => [`${name}.weight`, Float32Array.from(of)] as const);
  return ggufConfig({ ...rest, metadata, tensors }, "x.gguf", new Map(divisors));
}

const experts = { expert_count: 6, expert_used_count: 4 };
const shapes = { "blk.0.ffn_gate_exps": [6, 24, 64], "blk.0.ffn_gate_shexp": [48, 64] };

test.each<[string, Record<string, unknown>, Record<string, unknown>, Record<string, number[]>?]>([
  ["gptneox", {}, { use_parallel_residual: true, rotary_pct: 1, rotary_emb_base: 10000, hidden_act: "gelu" }],
  [
    "gptneox",
    { use_parallel_residual: false, "rope.dimension_count": 4 },
    { use_parallel_residual: false, rotary_pct: 0.25 },
  ],
  ["stablelm", {}, { use_parallel_residual: true, qk_layernorm: false, use_qkv_bias: false }],
  ["granite", {}, { attention_multiplier: 1, embedding_multiplier: 1, residual_multiplier: 1, logits_scaling: 1 }],
  ["granite", { residual_scale: 0.25, logit_scale: 8 }, { residual_multiplier: 0.25, logits_scaling: 8 }],
  ["qwen2", {}, { use_sliding_window: false, rope_theta: 10000 }],
  ["qwen3", {}, { use_sliding_window: false, attention_bias: false }],
  ["qwen2moe", experts, { use_sliding_window: false, num_experts: 6, num_experts_per_tok: 4 }, shapes],
  ["qwen2moe", experts, { moe_intermediate_size: 24, shared_expert_intermediate_size: 48 }, shapes],
  ["qwen2moe", { ...experts, expert_feed_forward_length: 8 }, { moe_intermediate_size: 8 }, shapes],
  ["smollm3", {}, { no_rope_layer_interval: 4, attention_bias: false, mlp_bias: false }],
  ["olmo2", {}, { attention_bias: false }],
  ["phi3", {}, { partial_rotary_factor: 1, sliding_window: null, original_max_position_embeddings: 128 }],
  [
    "phi3",
    { "attention.sliding_window": 5, "rope.dimension_count": 8 },
    { partial_rotary_factor: 0.5, sliding_window: 5 },
  ],
  [
    "gemma3",
    { "attention.sliding_window": 7 },
    { query_pre_attn_scalar: 16, sliding_window: 7, attn_logit_softcapping: null },
  ],
])("a file of %s with %j", async (architecture, more, expected, tensors) => {
  expect(await other(architecture, more, tensors)).toMatchObject(expected);
});

test("a longrope has both lists of factors, and an attention factor that is the default if it rounds to it", async () => {
  const [long, short] = [
    [2, 3],
    [1, 1.5],
  ];
  const read = (more: object, factors: Record<string, number[]>) =>
    other("phi3", { "rope.scaling.original_context_length": 96, ...more }, {}, factors);
  const both = { rope_factors_long: long, rope_factors_short: short };
  await expect(read({}, { rope_factors_long: long })).rejects.toThrow("x.gguf: rope_factors_short.weight is missing");
  await expect(read({}, { rope_factors_short: short })).rejects.toThrow("x.gguf: rope_factors_long.weight is missing");
  const usual = Math.sqrt(1 + Math.log(128 / 96) / Math.log(96));
  for (const [given, factor] of [
    [undefined, 1],
    [1.25, 1.25],
    [Math.fround(usual), usual],
  ]) {
    expect(await read({ "rope.scaling.attn_factor": given }, both)).toMatchObject({
      original_max_position_embeddings: 96,
      rope_scaling: { rope_type: "longrope", long_factor: long, short_factor: short, attention_factor: factor },
    });
  }
});

test("no embeddings", async () => {
  const bare = { ...header(llama), tensors: new Map() };
  await expect(ggufConfig(bare, "x.gguf")).rejects.toThrow('x.gguf: the tensor "token_embd.weight" is missing');
});

test("a number in the metadata keeps its f32, as the shortest decimal", async () => {
  await fc.assert(
    fc.asyncProperty(fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true }), async (eps) => {
      const { rms_norm_eps } = (await config({ "llama.attention.layer_norm_rms_epsilon": eps })) as {
        rms_norm_eps: number;
      };
      expect(Math.fround(rms_norm_eps)).toBe(eps);
      expect(String(rms_norm_eps).length).toBeLessThanOrEqual(String(eps).length);
    }),
  );
});
