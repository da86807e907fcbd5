import { Generator, init, reference } from "@lowrank/core";
import {
  type CausalLM,
  createModel,
  generate,
  parseModelConfig,
  randomParameters,
  type Tokenizer,
} from "@lowrank/models";
import { beforeAll, expect, test, vi } from "vitest";
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

/** A tokenizer with one token for each lower-case letter. */
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
  await expect(asked).rejects.toThrow("answers of 12 tokens leave no space for a prompt in the model's 12 positions");
  expect(await answerPrompts(model, tokenizer, ["ba"], { ...settings, maxNewTokens: 11 })).toEqual(
    await answerPrompts(model, tokenizer, ["a"], { ...settings, maxNewTokens: 11 }),
  );
});

test("virtual tokens take positions too", async () => {
  const prompted = { maxPositions: 12, virtualTokens: { count: 2 } } as Partial<CausalLM> as CausalLM;
  const asked = answerPrompts(prompted, tokenizer, ["a"], { ...settings, maxNewTokens: 10 });
  await expect(asked).rejects.toThrow("answers of 10 tokens leave no space for a prompt");
});

test("token ids are taken as they are", async () => {
  expect(await answerPrompts(model, tokenizer, [[1, 2, 3], [4]], settings)).toEqual([
    await continued("bcd"),
    await continued("e"),
  ]);
});

test("an answer ends before the first of its stop texts", async () => {
  const [whole] = await answerPrompts(model, tokenizer, ["lowrank"], settings);
  for (const stop of [[whole[2]], [whole.slice(1, 3), whole[3]], ["#", whole[3], whole[1]], [whole[0]]]) {
    const at = Math.min(...stop.map((text) => whole.indexOf(text)).filter((found) => found >= 0));
    expect(await answerPrompts(model, tokenizer, ["lowrank"], { ...settings, stop })).toEqual([whole.slice(0, at)]);
  }
  expect(await answerPrompts(model, tokenizer, ["lowrank"], { ...settings, stop: ["#"] })).toEqual([whole]);
});

test("a conversation is written by the chat template, which begins the answer", async () => {
  const asked: unknown[] = [];
  const chat = {
    ...tokenizer,
    encode: (text: string, options?: object) => {
      asked.push(options);
      return tokenizer.encode(text);
    },
    applyChatTemplate: async (messages: { content: string }[], options: object) => {
      asked.push(options);
      return messages.map(({ content }) => content).join("");
    },
  } as unknown as Tokenizer;
  const turns = ["low", "rank"].map((content) => ({ role: "user", content }));
  expect(await answerPrompts(model, chat, [turns as never], settings)).toEqual([await continued("lowrank")]);
  expect(asked).toEqual([{ addGenerationPrompt: true }, { addSpecialTokens: false }]);
});

test("long prompts are in a batch with long ones", async () => {
  const caches = vi.spyOn(model, "createCache");
  await answerPrompts(model, tokenizer, ["a", "lowrank", "bc", "zyx"], settings);
  const capacities = caches.mock.calls.map(([, capacity]) => capacity);
  caches.mockRestore();
  // The longest prompts of the two batches have 7 and 2 tokens.
  expect([capacities.length, Number(capacities[0]) - Number(capacities[1])]).toEqual([2, 5]);
});
