import { Generator, init, reference, tensor } from "@lowrank/core";
import { createModel, parseClassifierConfig, randomParameters } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import { expect, test } from "vitest";
import { embedTexts, paddedLength } from "./embedTexts.ts";

const config = parseClassifierConfig({
  ...{ model_type: "bert", num_labels: 1, vocab_size: 97, hidden_size: 64, intermediate_size: 172 },
  ...{ num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 120 },
});

test("texts are padded to multiples of 16, as far as the model has positions", () => {
  expect([1, 16, 17, 112, 113, 120].map((length) => paddedLength(length, 120))).toEqual([16, 16, 32, 112, 120, 120]);
});

test.each([1, 2])("the bits of an embedding follow from its text alone, with %i threads", async (threads) => {
  await init(await wasm({ threads, grain: 1, batchInvariant: true }));
  const model = createModel(config, randomParameters(new Generator(3))).eval();
  // A product of 3 rows uses other code than one of 27.
  for (const longest of [3, 16, 48, 120]) {
    const lengths = Array.from({ length: 9 }, (_, i) => longest - (i % Math.min(longest, 8)));
    const texts = lengths.map((length, i) => Array.from({ length }, (_, t) => (31 * i + 7 * t * t + t) % 97));
    const all = await embedTexts(model, texts, longest);
    expect(new Set(all.map(String)).size).toBe(texts.length);
    for (const size of [1, 2, 4, 7]) {
      for (let from = 0; from < texts.length; from += size) {
        const some = await embedTexts(model, texts.slice(from, from + size), longest);
        expect(some).toEqual(all.slice(from, from + size));
      }
    }
  }
});

test("an embedding is the mean of the hidden states of the text's tokens", async () => {
  await init(reference());
  const model = createModel(config, randomParameters(new Generator(3))).eval();
  const texts = [[5, 6, 7], [8], [9, 10, 11, 12, 13]];
  const found = await embedTexts(model, texts, 16);
  for (const [b, text] of texts.entries()) {
    const hidden = model.hidden({ inputIds: tensor([text], { dtype: "i32" }) }).dataSync();
    for (let d = 0; d < 64; d++) {
      const mean = text.reduce((sum, _, t) => sum + hidden[64 * t + d], 0) / text.length;
      expect(Math.abs(found[b][d] - mean)).toBeLessThan(1e-5);
    }
  }
});
