import { memoryFiles } from "@lowrank/files";
import { expect, test } from "vitest";
import { plainConfig, readSentenceConfig } from "./embeddingOptions.ts";

const module = (name: string, path: string) => ({ type: `sentence_transformers.models.${name}`, path });
const modules = [module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")];
const pooling = { word_embedding_dimension: 32, pooling_mode_mean_tokens: true, pooling_mode_cls_token: false };

const read = (json: Record<string, unknown>) => {
  const texts = Object.entries(json).map(([name, value]) => [name, JSON.stringify(value)]);
  return readSentenceConfig(memoryFiles(Object.fromEntries(texts)), 32);
};

test("the files say normalisation, the most tokens and lower case", async () => {
  expect(await read({})).toBe(plainConfig);
  const texts = { max_seq_length: 24, do_lower_case: true };
  const whole = { "modules.json": modules, "1_Pooling/config.json": pooling, "sentence_bert_config.json": texts };
  expect(await read(whole)).toEqual({ normalize: true, maxSeqLength: 24, lowerCase: true });
  const plain = { "modules.json": modules.slice(0, 2), "1_Pooling/config.json": {} };
  expect(await read(plain)).toEqual({ normalize: false, maxSeqLength: null, lowerCase: false });
});

test.each([
  [{ "1_Pooling/config.json": { ...pooling, pooling_mode_cls_token: true } }, "pooling_mode_cls_token"],
  [{ "1_Pooling/config.json": { pooling_mode_lasttoken: true } }, "it sets pooling_mode_lasttoken"],
  [{ "1_Pooling/config.json": { pooling_mode: "max" } }, "pooling_mode is max"],
  [{ "1_Pooling/config.json": { ...pooling, word_embedding_dimension: 16 } }, "word_embedding_dimension is 16"],
  [{ "modules.json": [...modules, module("Dense", "3_Dense")] }, "Transformer, Pooling, Normalize, Dense"],
  [{ "modules.json": {} }, "modules.json of the files in memory: its value"],
  [{ "config_sentence_transformers.json": { default_prompt_name: "query" } }, "default_prompt_name is query"],
])("what is not done is refused by name: %o", async (given, message) => {
  const whole = { "modules.json": modules, "1_Pooling/config.json": pooling };
  await expect(read({ ...whole, ...given })).rejects.toThrow(message);
});
