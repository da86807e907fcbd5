import { Generator, init, reference } from "@lowrank/core";
import {
  type CausalLM,
  createModel,
  generate,
  parseModelConfig,
  randomParameters,
  type Tokenizer,
} from "@lowrank/models";
import { beforeAll, expect, test } from "vitest";
import { answerPrompts } from "./answerPrompts.ts";

const config = parseModelConfig({
  model_type: "llama",
  vocab_size: 26,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 12,
});

/** A token for each small letter. */
const tokenizer = {
  encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0) - 97),
  decode: (ids: readonly number[]) => ids.map((id) => String.fromCharCode(97 + id)).join(""),
} as Partial<Tokenizer> as Tokenizer;

let model: CausalLM;
beforeAll(async () => {
  await init(reference());
  model = createModel(config, randomParameters(new Generator(5))) as CausalLM;
});

const settings = { batchSize: 2, maxNewTokens: 4, stop: [], eosTokenIds: [] };

/** Continues one prompt without answerPrompts. */
async function continued(prompt: string): Promise<string> {
  const [tokens] = await generate(model, [tokenizer.encode(prompt)], { maxNewTokens: 4, generationConfig: null });
  return tokenizer.decode(tokens);
}

test.each([1, 2, 3, 4, 5])("batches of %i answer each prompt in its place", async (batchSize) => {
  const prompts = ["a", "lowrank", "bc", "zyx"];
  const seen: [number, number][] = [];
  const onProgress = (done: number, of: number) => void seen.push([done, of]);
  const answers = await answerPrompts(model, tokenizer, prompts, { ...settings, batchSize, onProgress });
  expect(answers).toEqual(await Promise.all(prompts.map(continued)));
  const batches = Math.ceil(4 / batchSize);
  expect(seen).toEqual(Array.from({ length: batches }, (_, i) => [Math.min(4, (i + 1) * batchSize), 4]));
});

test("an answer ends before a token of the end, and before a stop text", async () => {
  const whole = await continued("lowrank");
  const [first, second] = whole;
  const eosTokenIds = tokenizer.encode(second);
  const [ended] = await answerPrompts(model, tokenizer, ["lowrank"], { ...settings, eosTokenIds });
  expect(ended).toBe(whole.slice(0, whole.indexOf(second)));
  const [begun] = await answerPrompts(model, tokenizer, ["lowrank"], {
    ...settings,
    eosTokenIds: tokenizer.encode(first),
  });
  expect(begun).toBe("");
});

test("a prompt that is too long loses its beginning", async () => {
  const [long, short, exact] = await answerPrompts(model, tokenizer, ["zzzabcdefgh", "abcdefgh", "bcdefgh"], settings);
  expect(long).toBe(short);
  expect(exact).toBe(await continued("bcdefgh"));
});

test("answers that fill all positions are refused", async () => {
  const asked = answerPrompts(model, tokenizer, ["a"], { ...settings, maxNewTokens: 12 });
  await expect(asked).rejects.toThrow("answers of 12 tokens leave no room for a prompt in the model's 12 positions");
  expect(await answerPrompts(model, tokenizer, ["ba"], { ...settings, maxNewTokens: 11 })).toEqual(
    await answerPrompts(model, tokenizer, ["a"], { ...settings, maxNewTokens: 11 }),
  );
});

test("token ids are taken as they are", async () => {
  expect(await answerPrompts(model, tokenizer, [[1, 2, 3]], settings)).toEqual([await continued("bcd")]);
});
