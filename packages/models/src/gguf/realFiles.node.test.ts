import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { init, reference } from "@lowrank/core";
import { openFile } from "@lowrank/files";
import { sharedPath } from "@lowrank/test-support/folders";
import { beforeAll, describe, expect, test } from "vitest";
import { type GgufFile, openGguf } from "../checkpoint/gguf/openGguf.ts";
import { readGgufTensor } from "../checkpoint/gguf/readGgufTensor.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { ggufTokenizer } from "./tokenizer/ggufTokenizer.ts";

const models = sharedPath("models", "GGUF files of real models");
const json = async (path: string) => JSON.parse(await readFile(join(models as string, path), "utf8"));

describe.skipIf(!models)("SmolLM2-135M-Instruct in Q4_1", () => {
  const folder = "smollm2-135m-instruct";
  let file: GgufFile;
  beforeAll(async () => {
    await init(reference());
    const path = join(models as string, folder, "SmolLM2-135M-Instruct.Q4_1.gguf");
    file = await openGguf(await openFile(path), path);
  });

  test("its config is the one that transformers derives", async () => {
    expect(file.config).toEqual(parseModelConfig(await json(`${folder}/config.json`)));
  });

  test("its tokenizer is llama.cpp's: 71 texts and 18 conversations", async () => {
    const tokenizer = await Tokenizer.fromFiles(file.files);
    const { cases, chats } = await json(`${folder}/expected/tokens.json`);
    for (const { text, ids, decoded } of cases) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
    for (const { messages, add_generation_prompt: addGenerationPrompt, text, ids } of chats) {
      expect(await tokenizer.applyChatTemplate(messages, { addGenerationPrompt })).toBe(text);
      expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(ids);
    }
  });

  test("a block's tensors are the float32 of transformers, rows of queries and keys in its order", async () => {
    const { tensors } = await json(`${folder}/expected/gguf.json`);
    const own = tensors.filter(({ hf }: { hf: string }) => hf.startsWith("model.layers.7."));
    expect(own).toHaveLength(9);
    for (const { hf, sha256 } of own) {
      using tensor = await readGgufTensor(file, hf);
      expect(
        createHash("sha256")
          .update(await tensor.bytes())
          .digest("hex"),
        hf,
      ).toBe(sha256);
    }
    await expect(readGgufTensor(file, "lm_head.weight")).rejects.toThrow('there is no tensor "lm_head.weight"');
  });
});

test.skipIf(!models)("a SentencePiece vocabulary: 23 texts have the ids that run.c gives them", async () => {
  const { model } = await json("stories260K-hf/tokenizer.json");
  const tokens = Object.entries(model.vocab as Record<string, number>).sort(([, a], [, b]) => a - b);
  // In a SentencePiece BPE, the n-th piece has the score -n.
  const pieces = tokens.map(([token], id) => ({
    token,
    type: id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1,
    score: -id,
  }));
  const metadata = {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": pieces.map(({ token }) => token),
    "tokenizer.ggml.scores": pieces.map(({ type, score }) => (type === 1 ? score : 0)),
    "tokenizer.ggml.token_type": pieces.map(({ type }) => type),
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
  };
  const entries = Object.entries(metadata).map(([key, value]): [string, { type: string; value: unknown }] => [
    key,
    { type: "", value },
  ]);
  const parts = ggufTokenizer({ version: 3, metadata: new Map(entries), tensors: new Map() }, "stories.gguf");
  const tokenizer = new Tokenizer({ ...parts!, label: "stories.gguf" });
  const { tokenizer: cases } = await json("expected/stories260K.json");
  expect(cases).toHaveLength(23);
  for (const { text, ids } of cases) {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text);
  }
});
