// Runs small random models, written by Lowrank as GGUF, in llama.cpp. Its next-token probabilities must equal the
// softmax of Lowrank's logits.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { affine, Generator, init, randn, scope, softmax, tensor } from "@lowrank/core";
import { memoryFiles, writeFolder } from "@lowrank/files";
import {
  architectures,
  createModel,
  type ParameterSource,
  parseModelConfig,
  randomParameters,
  toGguf,
  writeGguf,
} from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { Parameter } from "@lowrank/nn";
import { wasm } from "@lowrank/wasm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLlamaCpp } from "./lib/llamaCpp.ts";

const characters = ["Ġ", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))];
const tokenizerJson = {
  added_tokens: [{ id: characters.length, content: "</s>", special: true }],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab: Object.fromEntries(characters.map((c, id) => [c, id])), merges: [] },
};

/** Config fields with the names that transformers uses for every architecture. */
const sizes = {
  ...{ vocab_size: characters.length + 1, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 3 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, sliding_window: 5 },
  ...{ n_embd: 64, n_layer: 3, n_head: 4, n_positions: 64 },
  ...{ bos_token_id: null, eos_token_id: characters.length, head_dim: 16, query_pre_attn_scalar: 16 },
  ...{ full_attn_idxs: [1], block_auto_adjust_ff_dim: false },
  ...{ moe_intermediate_size: 32, shared_expert_intermediate_size: 64, num_experts: 4, num_experts_per_tok: 2 },
};

/** Settings of some architectures. llama.cpp supports no windows for Mistral, Mixtral and Phi-3. */
const own: Record<string, object> = {
  mistral: { sliding_window: sizes.max_position_embeddings },
  mixtral: { sliding_window: null },
  phi3: { sliding_window: sizes.max_position_embeddings },
  gemma4_text: {
    ...{ num_hidden_layers: 6, global_head_dim: 32, final_logit_softcapping: 20 },
    layer_types: ["sliding", "full", "sliding", "full", "sliding", "full"].map((type) => `${type}_attention`),
    ...{ num_kv_shared_layers: 2, use_double_wide_mlp: true },
    ...{ hidden_size_per_layer_input: 24, vocab_size_per_layer_input: sizes.vocab_size },
  },
};

/** Additional models, named by how they differ from the first model of their architecture. */
const more: readonly (readonly [name: string, modelType: string, json: object])[] = [
  [
    "gemma4_text with experts, and keys for values",
    "gemma4_text",
    {
      ...{ global_head_dim: 32, hidden_size_per_layer_input: 0, enable_moe_block: true, top_k_experts: 2 },
      ...{ attention_k_eq_v: true, num_global_key_value_heads: 1 },
      layer_types: ["full", "sliding", "full"].map((type) => `${type}_attention`),
    },
  ],
];

/**
 * The largest allowed difference of a probability. Both sides compute in f32, except gelu, for which llama.cpp uses an
 * f16 table.
 */
const tolerance = (modelType: string) => (/^gpt|^gemma/.test(modelType) ? 5e-4 : 5e-6);

const text = [3, 7, 11, 5, 13, 40, 9, 61, 12, 7, 8];
const folder = mkdtempSync(join(tmpdir(), "lowrank-llama-"));
const llama = await startLlamaCpp("logits");

beforeAll(() => init(wasm()));
afterAll(async () => {
  await llama?.dispose();
  rmSync(folder, { recursive: true });
});

const written = architectures().filter(({ gguf, heads }) => gguf && heads.causalLM);

/** Returns random matrices, and norms, biases and factors near their initial values. */
function randomSource(): ParameterSource {
  const generator = new Generator(3);
  const draw = randomParameters(generator);
  return (name, shape, start) => {
    if ("std" in start) return draw(name, shape, { std: 0.15 });
    return scope(() => new Parameter(affine(randn(shape, { generator, std: 0.1 }), { shift: start.value })));
  };
}

const all = [...written.map(({ modelType }) => [modelType, modelType, own[modelType] ?? {}] as const), ...more];

test.skipIf(!llama).each(all)("%s", async (_name, modelType, json) => {
  const config = parseModelConfig({ model_type: modelType, ...sizes, ...json });
  const model = createModel(config, randomSource());
  model.eval();
  const files = await modelFileContents(model, config);
  files.set("tokenizer.json", JSON.stringify(tokenizerJson));
  const { notes: _, ...contents } = await toGguf(memoryFiles(files), { dtype: "f32" });
  const name = `${modelType}.gguf`;
  await writeFolder(folder, new Map([[name, writeGguf(contents)]]));
  const inputIds = tensor([text], { dtype: "i32" });
  using expected = scope(() => softmax(model.forward({ inputIds }).logits, { dim: -1 }));
  const probabilities = (await expected.data()) as Float32Array;
  const loaded = await llama!.loadModel({ modelPath: join(folder, name), gpuLayers: 0 });
  const context = await loaded.createContext({
    ...{ contextSize: 64, batchSize: 64, flashAttention: false, threads: 1 },
    ...{ experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32" },
  });
  const plain = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  const asked = text.map((id) => [id, { generateNext: { probabilities: true, options: plain } }] as const);
  const answers = await context.getSequence().controlledEvaluate(asked as never);
  const largest = answers.map((answer, t) => {
    const found = answer?.next.probabilities as unknown as Map<number, number>;
    const row = probabilities.subarray(t * sizes.vocab_size, (t + 1) * sizes.vocab_size);
    return row.reduce((most, p, id) => Math.max(most, Math.abs(p - (found.get(id) ?? 0))), 0);
  });
  await loaded.dispose();
  expect(largest).toHaveLength(text.length);
  expect(Math.max(...largest)).toBeLessThan(tolerance(modelType));
});
