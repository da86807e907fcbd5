import {
  bytesSource,
  Generator,
  init,
  memory,
  openSafetensors,
  reference,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { PagedKVCache } from "@lowrank/nn";
import { layerCaches } from "@lowrank/nn/internal";
import { beforeAll, expect, test } from "vitest";
import { loadModel } from "../../checkpoint/loadModel.ts";
import { modelFileContents } from "../../checkpoint/saveModel.ts";
import { generate } from "../../generation/decoding/generate.ts";
import { randomParameters } from "../../model/parameters.ts";
import { raggedHidden } from "../../model/raggedHidden.ts";
import { createModel } from "../../registry/build/createModel.ts";
import { parseModelConfig, toHfConfig } from "../../registry/configs/modelConfig.ts";

beforeAll(() => init(reference()));

const [full, sliding] = ["full_attention", "sliding_attention"];

/** Six layers, the last two of which share keys, with all kinds of heads, MLPs and experts. */
const json = {
  ...{ model_type: "gemma4_text", vocab_size: 19, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 6 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 4, global_head_dim: 6, max_position_embeddings: 64 },
  ...{ layer_types: [sliding, full, sliding, full, sliding, full], sliding_window: 3, eos_token_id: null },
  ...{ num_kv_shared_layers: 2, use_double_wide_mlp: true, final_logit_softcapping: 30 },
  ...{ hidden_size_per_layer_input: 3, vocab_size_per_layer_input: 19 },
  ...{ attention_k_eq_v: true, num_global_key_value_heads: 1 },
  ...{ enable_moe_block: true, num_experts: 3, top_k_experts: 2, moe_intermediate_size: 5 },
};

function newModel(more: object = {}) {
  const config = parseModelConfig({ ...json, ...more });
  const draw = randomParameters(new Generator(5));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start));
  return { config, model: model.eval() };
}

const ids = (rows: number[][]) => tensor(rows, { dtype: "i32" });
const text = [3, 7, 11, 5, 13, 4, 9, 6, 12];

test("layers that share keys keep none, and caches have each layer's own heads", () => {
  const { model } = newModel();
  const kept = layerCaches(model.attentionSizes).map(({ keyValueHeads, headDim }) => [keyValueHeads, headDim]);
  expect(kept).toEqual([
    [2, 4],
    [1, 6],
    [2, 4],
    [1, 6],
    [0, 4],
    [0, 6],
  ]);
  expect([...model.namedModules()].map(([path]) => path)).not.toContain("model.layers.4.self_attn.k_proj");
  expect(model.getSubmodule("model.layers.5.mlp.gate_proj")).toMatchObject({ outFeatures: 24 });
});

test("ids of tokens are needed for embeddings of layers", () => {
  for (const [width, needs] of [
    [0, false],
    [1, true],
    [3, true],
  ] as const) {
    expect(newModel({ hidden_size_per_layer_input: width }).model).toMatchObject({ needsTokenIds: needs });
  }
});

test("tokens one by one, padded rows and pages give the logits of the whole text", () => {
  const { model } = newModel();
  const width = 19;
  const whole = model.forward({ inputIds: ids([text]) }).logits.dataSync();
  const near = (found: ArrayLike<number>, position: number) => {
    const expected = whole.slice(position * width, (position + 1) * width);
    expect(Array.from(found).every((x, i) => Math.abs(x - expected[i]) < 1e-4)).toBe(true);
  };
  using cache = model.createCache(1, text.length);
  for (const [t, id] of text.entries()) near(model.nextLogits({ inputIds: ids([[id]]), cache }).dataSync(), t);
  const padded = {
    inputIds: ids([[0, 0, ...text]]),
    attentionMask: tensor([[0, 0, ...text.map(() => 1)]], { dtype: "u8" }),
    positionIds: ids([[0, 0, ...text.keys()]]),
  };
  near(model.nextLogits(padded).dataSync(), text.length - 1);
  const { layers, keyValueHeads, headDim, perLayer } = model.attentionSizes;
  using pages = new PagedKVCache({ layers, keyValueHeads, headDim, perLayer, pages: 7, pageSize: 3 });
  const run = (from: number, to: number, table: number[]) => {
    const positions = Int32Array.from({ length: to - from }, (_, i) => from + i);
    const batch = { tokens: positions.map((p) => text[p]), positions, sequences: positions.map(() => 0) };
    const hidden = raggedHidden(model, { ...batch, tables: [Int32Array.from(table)] }, pages);
    const logits = model.logitsOf(hidden).dataSync();
    for (const [row, p] of positions.entries()) near(logits.slice(row * width, (row + 1) * width), p);
  };
  run(0, 5, [2, 4, 6]);
  // A second sequence continues in a copy of the half-full page.
  pages.copyPage(4, 1);
  run(5, 9, [2, 1, 6]);
  run(5, 9, [2, 4, 5]);
});

test("generation frees what it made, and beams give the tokens of each text alone", async () => {
  const { model } = newModel();
  await generate(model, [text], { maxNewTokens: 2 });
  const before = memory().bytes;
  const prompts = [text, [4, 9]];
  for (const options of [{ maxNewTokens: 6 }, { maxNewTokens: 6, numBeams: 3 }]) {
    const together = await generate(model, prompts, options);
    const alone = await Promise.all(prompts.map((prompt) => generate(model, [prompt], options)));
    expect(together).toEqual(alone.flat());
  }
  expect(memory().bytes).toBe(before);
});

test("checkpointing changes no gradient of layers that share keys", () => {
  const gradients = (checkpointing: boolean) => {
    const { model } = newModel();
    model.train();
    if (checkpointing) model.gradientCheckpointingEnable();
    model.loss({ inputIds: ids([text]), labels: ids([text]) }).backward();
    return Array.from(model.namedParameters(), ([name, { grad }]) => [name, grad?.dataSync()]);
  };
  expect(gradients(true)).toEqual(gradients(false));
});

test("the factor of a layer's output is saved and loaded, and does not train", async () => {
  const config = parseModelConfig(json);
  const draw = randomParameters(new Generator(5));
  const model = createModel(config, (name, shape, start) =>
    draw(name, shape, name.endsWith("layer_scalar") ? { value: 0.5 } : start),
  ).eval();
  const names = Array.from(model.namedParameters(), ([name]) => name);
  expect(names.filter((name) => name.endsWith("layer_scalar"))).toEqual([]);
  expect(Array.from(model.namedBuffers(), ([, factor]) => factor.dataSync()[0])).toEqual(Array(6).fill(0.5));
  const inputs = { inputIds: ids([text]) };
  const expected = model.forward(inputs).logits.dataSync();
  const contents = await modelFileContents(model, config);
  // transformers accepts only floats there.
  expect(contents.get("config.json")).toContain('"final_logit_softcapping": 30.0,');
  const loaded = await loadModel(memoryFiles(contents));
  expect(loaded.model.forward(inputs).logits.dataSync()).toEqual(expected);
});

test("a checkpoint may hold keys of layers that take others', as the published ones do", async () => {
  const { config, model } = newModel();
  const contents = await modelFileContents(model, config);
  const file = await openSafetensors(bytesSource(contents.get("model.safetensors") as Uint8Array));
  const read = async (name: string, as = name) => ({ name: as, ...(await file.read(name)) });
  const idle = ["k_proj", "v_proj", "k_norm"].map((name) => `self_attn.${name}.weight`);
  const tensors = [
    ...(await Promise.all(file.names().map((name) => read(name)))),
    ...(await Promise.all(idle.map((name) => read(`model.layers.2.${name}`, `model.layers.4.${name}`)))),
  ];
  const weights = writeSafetensors(tensors);
  const loaded = await loadModel(memoryFiles(new Map([...contents, ["model.safetensors", weights]])));
  const inputs = { inputIds: ids([text]) };
  expect(loaded.model.forward(inputs).logits.dataSync()).toEqual(model.forward(inputs).logits.dataSync());
});

test("a config as transformers saves it says the same as one with global sizes", () => {
  const { config } = newModel();
  const { global_head_dim: _, num_global_key_value_heads: __, ...rest } = json;
  const own = { head_dim: 6, num_key_value_heads: 1 };
  expect(parseModelConfig({ ...rest, per_layer_config: { 1: own, 3: own, 5: own } })).toEqual(config);
  expect(parseModelConfig(toHfConfig(config))).toEqual(config);
});

test.each<[object, string]>([
  [{ use_bidirectional_attention: "all" }, 'use_bidirectional_attention is "all"; expected null or "vision"'],
  [{ num_kv_shared_layers: 6 }, "num_kv_shared_layers is 6; expected fewer than num_hidden_layers 6"],
  [{ num_kv_shared_layers: 5 }, "num_kv_shared_layers is 5; expected a number that leaves a layer of type full_att"],
  [{ vocab_size_per_layer_input: 18 }, "vocab_size_per_layer_input is 18; expected at least vocab_size 19"],
  [{ top_k_experts: 4 }, "top_k_experts is 4; expected at most num_experts 3"],
  [{ global_head_dim: 5 }, "layers of type full_attention have 1 key heads of size 5"],
  [{ per_layer_config: { 1: { head_dim: 8 } } }, "expected the sizes of layer 1, of the same type"],
  [{ per_layer_config: { 1: { intermediate_size: 8 } } }, "head_dim and num_key_value_heads alone"],
  [
    { rope_parameters: { full_attention: {}, sliding_attention: { partial_rotary_factor: 0.5 } } },
    'partial_rotary_factor is 0.5; expected 1, or rope_type "proportional"',
  ],
  [{ rope_parameters: { full_attention: {} } }, "expected settings of sliding_attention among them"],
])("%o is refused", (more, message) => {
  expect(() => parseModelConfig({ ...json, ...more })).toThrow(message);
});
