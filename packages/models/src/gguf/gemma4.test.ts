import { bytesSource, Generator, init, memory, noGrad, reference, resetPeak, scope, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, describe, expect, test } from "vitest";
import { ggufWeights } from "../checkpoint/gguf/ggufWeights.ts";
import { openGguf } from "../checkpoint/gguf/openGguf.ts";
import { type GgufDType, toGguf } from "../checkpoint/gguf/toGguf.ts";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import { generate } from "../generation/decoding/generate.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { ggufBytes } from "./testing/ggufBytes.ts";
import type { GgufContents, GgufValue } from "./writeGguf.ts";

beforeAll(() => init(reference()));

const [full, sliding] = ["full_attention", "sliding_attention"];
const json = {
  ...{ model_type: "gemma4_text", vocab_size: 40, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 4 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8, global_head_dim: 16, max_position_embeddings: 64 },
  ...{ layer_types: [sliding, full, sliding, full], sliding_window: 3, eos_token_id: null, bos_token_id: null },
  ...{ num_kv_shared_layers: 2, use_double_wide_mlp: true, final_logit_softcapping: 30 },
  ...{ hidden_size_per_layer_input: 6, vocab_size_per_layer_input: 40 },
};
const experts = {
  ...{ enable_moe_block: true, num_experts: 3, top_k_experts: 2, moe_intermediate_size: 32 },
  ...{ attention_k_eq_v: true, num_global_key_value_heads: 1, num_kv_shared_layers: 0, hidden_size_per_layer_input: 0 },
};

function newModel(more: object = {}) {
  const config = parseModelConfig({ ...json, ...more });
  const draw = randomParameters(new Generator(5));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start));
  return { config, model: model.eval() };
}

async function written(more: object = {}, dtype: GgufDType = "f32"): Promise<GgufContents> {
  const { config, model } = newModel(more);
  return toGguf(memoryFiles(await modelFileContents(model, config)), { dtype });
}

const values = ({ metadata }: GgufContents) =>
  Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key.replace("gemma4.", ""), value]));

describe("a Gemma 4 in a GGUF file", () => {
  test("says what differs from layer to layer", async () => {
    expect(values(await written())).toMatchObject({
      "general.architecture": "gemma4",
      feed_forward_length: [64, 64, 128, 128],
      "attention.head_count_kv": 2,
      ...{ "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 },
      ...{ "attention.key_length_swa": 8, "attention.value_length_swa": 8, "rope.dimension_count_swa": 8 },
      ...{ "rope.freq_base": 1e6, "rope.freq_base_swa": 1e4 },
      "attention.sliding_window": 3,
      "attention.sliding_window_pattern": [true, false, true, false],
      "attention.shared_kv_layers": 2,
      embedding_length_per_layer_input: 6,
      final_logit_softcapping: 30,
    });
    expect(values(await written({ ...experts, final_logit_softcapping: null }))).toMatchObject({
      feed_forward_length: 64,
      "attention.head_count_kv": [2, 1, 2, 1],
      ...{ embedding_length_per_layer_input: 0, final_logit_softcapping: 0 },
      ...{ expert_count: 3, expert_used_count: 2, expert_feed_forward_length: 32 },
    });
  });

  test("has divisors of frequencies, those that stand still by 1e30", async () => {
    const factors = async (rope: object) => {
      const rope_parameters = { [full]: { rope_theta: 500, ...rope }, [sliding]: { rope_theta: 500 } };
      const bytes = await ggufBytes(await written({ rope_parameters }));
      const { rope: read } = (await openGguf(bytesSource(bytes))).config as unknown as { rope: { scaling: object } };
      const { tensors } = await written({ rope_parameters });
      const { buffer } = await tensors.find(({ name }) => name === "rope_freqs.weight")!.read();
      return { divisors: Array.from(new Float32Array(buffer)), ...read.scaling };
    };
    const still = Math.fround(1e30);
    const proportional = { rope_type: "proportional", partial_rotary_factor: 0.4, factor: 2 };
    // The first 3 of 8 frequencies rotate, so the fraction is 3/8.
    expect(await factors(proportional)).toEqual({
      divisors: [2, 2, 2, still, still, still, still, still],
      ...{ type: "proportional", factor: 2, partialRotaryFactor: 0.375 },
    });
    expect(await factors({ rope_type: "default" })).toMatchObject({ divisors: new Array(8).fill(1) });
  });

  test.each([
    ["shared keys and own embeddings", {}],
    ["experts, and keys that are values", experts],
    ["own embeddings of width 1", { hidden_size_per_layer_input: 1 }],
  ])("with %s: the same logits and tokens", async (_, more) => {
    const { model } = newModel(more);
    const loaded = await loadModel(await ggufBytes(await written(more)));
    const inputIds = tensor([[3, 7, 11, 5, 13]], { dtype: "i32" });
    expect(loaded.model.forward({ inputIds }).logits.dataSync()).toEqual(model.forward({ inputIds }).logits.dataSync());
    const settings = { maxNewTokens: 8, eosTokenIds: [] };
    expect(await generate(loaded.model, [[3, 7, 11]], settings)).toEqual(await generate(model, [[3, 7, 11]], settings));
  });

  test.each([
    ["model.embed_tokens_per_layer.weight", [40, 32], { hidden_size_per_layer_input: 8 }],
    ["model.layers.0.experts.gate_up_proj", [3, 64, 32], experts],
  ])("%s stays in its blocks, and the model means the same as widened", async (name, shape, more) => {
    const bytes = await ggufBytes(await written(more, "q8_0"));
    const file = await openGguf(bytesSource(bytes));
    const weight = await ggufWeights(file, { packed: true }).read(name);
    expect([weight.dtype, ...weight.shape]).toEqual(["q8_0", ...shape]);
    const inputs = { inputIds: tensor([[3, 7, 11, 5, 13]], { dtype: "i32" }) };
    const [packed, wide] = await Promise.all([loadModel(bytes, { weights: "packed" }), loadModel(bytes)]);
    const [found, expected] = [packed, wide].map(({ model }) => model.forward(inputs).logits.dataSync());
    expect(found.every((logit, i) => Math.abs(logit - expected[i]) < 1e-4)).toBe(true);
  });

  test("packed experts are widened one at a time", async () => {
    const bytes = await ggufBytes(await written({ ...experts, num_experts: 16, moe_intermediate_size: 64 }, "q8_0"));
    const { model } = await loadModel(bytes, { weights: "packed" });
    const before = memory().bytes;
    resetPeak();
    scope(() => noGrad(() => model.forward({ inputIds: tensor([[3]], { dtype: "i32" }) }).logits.dataSync()));
    // A layer's experts take 393,216 bytes in f32, and a single expert 24,576.
    expect(memory().peakBytes - before).toBeLessThan(60_000);
  });
});

test.each([
  ["one shared layer", { layer_types: [full, sliding, full, full], num_kv_shared_layers: 1 }],
  [
    "other heads, first in a layer that sees all",
    { ...experts, layer_types: [full, sliding, sliding, full], use_double_wide_mlp: false },
  ],
  ["one layer", { num_hidden_layers: 1, layer_types: [full], num_kv_shared_layers: 0, use_double_wide_mlp: false }],
  ["another vocabulary that no layer uses", { hidden_size_per_layer_input: 0, vocab_size_per_layer_input: 48 }],
])("%s: the config is read back", async (_, more) => {
  const { config } = newModel(more);
  const { config: read } = await openGguf(bytesSource(await ggufBytes(await written(more))));
  expect(read).toEqual({ ...config, vocabSizePerLayerInput: 40, padTokenId: null });
});

test("keys that a file leaves out have llama.cpp's defaults", async () => {
  const { metadata, tensors } = await written({ ...experts, enable_moe_block: false, final_logit_softcapping: null });
  const absent = ["attention.shared_kv_layers", "rope.freq_base_swa", "final_logit_softcapping"];
  const left = new Map(metadata);
  for (const key of [...absent, "embedding_length_per_layer_input"]) expect(left.delete(`gemma4.${key}`)).toBe(true);
  const { config } = await openGguf(bytesSource(await ggufBytes({ metadata: left, tensors })));
  expect(config).toMatchObject({
    ...{ numKvSharedLayers: 0, finalLogitSoftcapping: null, hiddenSizePerLayerInput: 0 },
    localRope: { theta: 10000 },
  });
});

test.each<[object, string]>([
  [{ hidden_activation: "silu" }, 'hidden_activation is "silu"; a GGUF file can only mean gelu_pytorch_tanh'],
  [{ attention_bias: true }, "attention_bias is true"],
  [{ hidden_size_per_layer_input: 1, vocab_size_per_layer_input: 48 }, "can only mean vocab_size, 40"],
  [{ vocab_size_per_layer_input: 48 }, "vocab_size_per_layer_input is 48; a GGUF file can only mean vocab_size, 40"],
  [
    { layer_types: [full, sliding, sliding, full] },
    "num_kv_shared_layers is 2; a GGUF file can only mean layers behind one of sliding_attention and one of full",
  ],
  [
    { rope_parameters: { [full]: { rope_type: "linear", factor: 2 }, [sliding]: {} } },
    'rope_type of full_attention is "linear"; a GGUF file can only mean default or proportional',
  ],
  [
    { rope_parameters: { [full]: {}, [sliding]: { rope_type: "linear", factor: 2 } } },
    'rope_type of sliding_attention is "linear"; a GGUF file can only mean default',
  ],
])("%j is not written", async (more, message) => {
  await expect(written(more)).rejects.toThrow(message);
});

const u32 = (value: number): GgufValue => ({ type: "u32", value });
const i32s = (...value: number[]): GgufValue => ({ type: "i32s", value });
const bools = (...value: boolean[]): GgufValue => ({ type: "bools", value });

test.each<[string, GgufValue, string]>([
  ["attention.sliding_window_pattern", u32(6), "is 6; expected true or false for each of 4 layers"],
  ["attention.sliding_window_pattern", bools(true, false), "is [true,false]; expected true or false for each of 4"],
  ["attention.sliding_window_pattern", bools(true, false, true, true), "and false for the last"],
  ["attention.head_count_kv", i32s(2, 2, 1, 2), "is [2,2,1,2]; expected the same number for all layers of one type"],
  ["attention.head_count_kv", i32s(2, 0, 2, 0), "is [2,0,2,0]; expected a number, or one for each of 4 layers"],
  ["attention.head_count_kv", i32s(2, 2), "is [2,2]; expected a number, or one for each of 4 layers"],
  ["feed_forward_length", i32s(64, 96, 64, 96), "expected one number, or its double for the last 2 layers"],
  ["rope.dimension_count", u32(8), "is 8; expected the size of a head, 16"],
  ["rope.dimension_count_swa", u32(4), "is 4; expected the size of a head, 8"],
  ["rope.scaling.type", { type: "string", value: "linear" }, 'is "linear"; expected "none"'],
])("a file whose %s is %o is refused", async (key, value, message) => {
  const { metadata, tensors } = await written();
  const bytes = await ggufBytes({ metadata: new Map([...metadata, [`gemma4.${key}`, value]]), tensors });
  await expect(openGguf(bytesSource(bytes))).rejects.toThrow(message);
});

test("keys of layers that take others' are left out, which files may hold", async () => {
  const { metadata, tensors } = await written();
  const named = (layer: number) => ["attn_k", "attn_k_norm", "attn_v"].map((name) => `blk.${layer}.${name}.weight`);
  const copies = (layer: number) =>
    named(layer - 2).map((name, i) => ({ ...tensors.find((one) => one.name === name)!, name: named(layer)[i] }));
  const bytes = await ggufBytes({ metadata, tensors: [...tensors, ...copies(2), ...copies(3)] });
  const [{ model }, { model: without }] = [await loadModel(bytes), newModel()];
  const inputs = { inputIds: tensor([[3, 7, 11]], { dtype: "i32" }) };
  expect(model.forward(inputs).logits.dataSync()).toEqual(without.forward(inputs).logits.dataSync());
  const more = [...tensors, { ...tensors[0], name: "blk.4.attn_k.weight" }];
  await expect(openGguf(bytesSource(await ggufBytes({ metadata, tensors: more })))).rejects.toThrow("are not part of");
});

test("a file without divisors of frequencies, or with others than Gemma 4's, is refused", async () => {
  const { metadata, tensors } = await written();
  const open = async (factors: number[] | null) => {
    const others = tensors.filter(({ name }) => name !== "rope_freqs.weight");
    const read = async () => new Uint8Array(Float32Array.from(factors ?? []).buffer);
    const own = { name: "rope_freqs.weight", type: "F32", shape: [factors?.length ?? 0], read } as const;
    return openGguf(bytesSource(await ggufBytes({ metadata, tensors: factors ? [...others, own] : others })));
  };
  await expect(open(null)).rejects.toThrow('the tensor "rope_freqs.weight" is missing');
  for (const factors of [
    [1, 2, 1e30, 1e30, 1e30, 1e30, 1e30, 1e30],
    [1e30, 1, 1e30, 1e30, 1e30, 1e30, 1e30, 1e30],
    [1],
  ]) {
    await expect(open(factors)).rejects.toThrow("must have 8 factors: equal ones first");
  }
});
