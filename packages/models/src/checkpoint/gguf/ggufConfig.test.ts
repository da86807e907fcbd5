import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GgufHeader, GgufTensorInfo } from "../../gguf/readGguf.ts";
import { ggmlTypes } from "../../gguf/types/ggmlTypes.ts";
import { parseModelConfig } from "../../registry/modelConfig.ts";
import { ggufConfig } from "./ggufConfig.ts";

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
    const message = "x.gguf: rope_freqs.weight is not the scaling of Llama 3.1 to 3.3";
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
