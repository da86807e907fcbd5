// Small random models that Lowrank writes as GGUF, run by llama.cpp: its probabilities of every
// next token are those of our logits.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, scope, softmax, tensor } from "@lowrank/core";
import { memoryFiles, writeFolder } from "@lowrank/files";
import {
  architectures,
  createModel,
  modelFileContents,
  parseModelConfig,
  randomParameters,
  toGguf,
  writeGguf,
} from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import { afterAll, beforeAll, expect, test } from "vitest";

const characters = ["Ġ", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))];
const tokenizerJson = {
  added_tokens: [{ id: characters.length, content: "</s>", special: true }],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab: Object.fromEntries(characters.map((c, id) => [c, id])), merges: [] },
};

/** In the names that transformers takes for every architecture. */
const sizes = {
  ...{ vocab_size: characters.length + 1, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 3 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, sliding_window: 5 },
  ...{ n_embd: 64, n_layer: 3, n_head: 4, n_positions: 64 },
  ...{ bos_token_id: null, eos_token_id: characters.length, head_dim: 16, query_pre_attn_scalar: 16 },
  ...{ full_attn_idxs: [1], block_auto_adjust_ff_dim: false },
  ...{ moe_intermediate_size: 32, shared_expert_intermediate_size: 64, num_experts: 4, num_experts_per_tok: 2 },
};

/** Windows that a file can say and llama.cpp heeds: it has none for these, whatever a file says. */
const own: Record<string, object> = {
  mistral: { sliding_window: sizes.max_position_embeddings },
  mixtral: { sliding_window: null },
  phi3: { sliding_window: sizes.max_position_embeddings },
};

/**
 * The largest difference of a probability: f32 on both sides, but for gelu, which llama.cpp looks
 * up in a table of f16.
 */
const tolerance = (modelType: string) => (/^gpt|^gemma/.test(modelType) ? 5e-4 : 5e-6);

const text = [3, 7, 11, 5, 13, 40, 9, 61, 12, 7, 8];
const folder = mkdtempSync(join(tmpdir(), "lowrank-llama-"));
const llama = await import("node-llama-cpp")
  .then(({ getLlama, LlamaLogLevel: { error: logLevel } }) => {
    const asPackaged = { build: "never", usePrebuiltBinaries: true, skipDownload: true } as const;
    return getLlama({ ...asPackaged, gpu: false, progressLogs: false, logLevel, maxThreads: 1 });
  })
  .catch((error: Error) => {
    console.log(`skipped: logits of llama.cpp (node-llama-cpp does not start here: ${error.message})`);
    return null;
  });

beforeAll(() => init(wasm()));
afterAll(async () => {
  await llama?.dispose();
  rmSync(folder, { recursive: true });
});

const written = architectures().filter(({ gguf, heads }) => gguf && heads.causalLM);

test.skipIf(!llama).each(written.map(({ modelType }) => modelType))("%s", async (modelType) => {
  const config = parseModelConfig({ model_type: modelType, ...sizes, ...own[modelType] });
  const draw = randomParameters(new Generator(3));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.15 } : start));
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
