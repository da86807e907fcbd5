// For Gemma 4's kind of tokenizer, written by Lowrank into a GGUF file, llama.cpp must produce Lowrank's tokens.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, reference } from "@lowrank/core";
import { memoryFiles, writeFolder } from "@lowrank/files";
import { createModel, parseModelConfig, randomParameters, Tokenizer, toGguf, writeGguf } from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLlamaCpp } from "./lib/llamaCpp.ts";

const llama = await startLlamaCpp("tokens");
const folder = mkdtempSync(join(tmpdir(), "lowrank-llama-"));

beforeAll(() => init(reference()));
afterAll(async () => {
  await llama?.dispose();
  rmSync(folder, { recursive: true });
});

const special = ["<pad>", "<eos>", "<bos>", "<unk>"];
const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
const letters = Array.from("\n▁abcdehlot.é");
const merges = [
  ...[
    ["\n\n\n", "\n"],
    ["\n\n", "\n\n"],
    ["\n\n", "\n"],
    ["\n", "\n\n"],
    ["\n", "\n"],
    ["▁▁", "▁▁"],
    ["▁", "▁"],
  ],
  ...[
    ["t", "h"],
    ["th", "e"],
    ["▁", "the"],
    ["l", "l"],
    ["e", "ll"],
    ["h", "ell"],
    ["hell", "o"],
    ["▁", "hello"],
  ],
  ...[
    ["a", "b"],
    ["b", "c"],
    ["ab", "c"],
  ],
];
const tokens = [...new Set([...special, ...bytes, ...letters, ...merges.map((pair) => pair.join(""))])];
const tokenizerJson = {
  added_tokens: special.map((content, id) => ({ id, content, special: true })),
  normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
  pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
  post_processor: null,
  decoder: {
    type: "Sequence",
    decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }, { type: "ByteFallback" }, { type: "Fuse" }],
  },
  model: {
    type: "BPE",
    unk_token: "<unk>",
    fuse_unk: true,
    byte_fallback: true,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
  },
};

test.skipIf(!llama)("merged letters", async () => {
  const config = parseModelConfig({
    ...{ model_type: "gemma4_text", vocab_size: tokens.length, hidden_size: 32, intermediate_size: 32 },
    ...{ num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 16, global_head_dim: 16 },
    ...{ hidden_size_per_layer_input: 0, max_position_embeddings: 64 },
  });
  const model = createModel(config, randomParameters(new Generator(1)));
  const files = await modelFileContents(model, config);
  files.set("tokenizer.json", JSON.stringify(tokenizerJson));
  const tokenizerConfig = { bos_token: "<bos>", eos_token: "<eos>", pad_token: "<pad>", unk_token: "<unk>" };
  files.set("tokenizer_config.json", JSON.stringify(tokenizerConfig));
  const { notes, ...contents } = await toGguf(memoryFiles(files), { dtype: "f32" });
  expect(notes).toEqual([]);
  await writeFolder(folder, new Map([["model.gguf", writeGguf(contents)]]));
  const loaded = await llama!.loadModel({ modelPath: join(folder, "model.gguf"), vocabOnly: true });
  const ours = await Tokenizer.fromFiles(memoryFiles(files));
  const texts = [
    "the hello abc",
    "  the\n\nhello",
    "\n\n\n\n\nabc\n",
    "    hell  o.",
    "é 漢😀\tthe",
    "ab\n\n\n the",
    "abcabc",
  ];
  for (const text of texts) expect(loaded.tokenize(text)).toEqual(ours.encode(text, { addSpecialTokens: false }));
});
