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
import { complete } from "./complete.ts";
import { phraseRequest } from "./tasks/phrases/manners.ts";
import { seededRandom } from "./tasks/seededRandom.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 26, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, max_position_embeddings: 100 },
});
/** A tokenizer with a token for each lower-case letter. Its `decode` marks text with special tokens. */
const tokenizer = {
  eosTokenId: 25,
  encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0) - 97),
  decode: (ids: readonly number[], { skipSpecialTokens = false } = {}) =>
    ids.map((id) => String.fromCharCode(97 + id)).join("") + (skipSpecialTokens ? "" : "<special>"),
} as Partial<Tokenizer> as Tokenizer;

let model: CausalLM;
beforeAll(async () => {
  await init(reference());
  model = createModel(config, randomParameters(new Generator(5))) as CausalLM;
});

async function continued(prompt: string, maxNewTokens: number): Promise<string> {
  const options = { maxNewTokens, eosTokenIds: [25], generationConfig: null };
  const [tokens] = await generate(model, [tokenizer.encode(prompt)], options);
  return tokens.map((id) => String.fromCharCode(97 + id)).join("");
}

test("each prompt is completed in its place, in batches of any size", async () => {
  const prompts = ["lowrank", "a", "xyz", "bc"];
  const expected = await Promise.all(prompts.map((prompt) => continued(prompt, 5)));
  for (const batchSize of [1, 2, 3, 4, undefined]) {
    const options = { maxNewTokens: 5, ...(batchSize && { batchSize }) };
    expect(await complete(model, tokenizer, prompts, options)).toEqual(expected);
  }
});

test("answers have 64 tokens at most, or as many as positions are left", async () => {
  expect(await complete(model, tokenizer, ["ab"])).toEqual([await continued("ab", 64)]);
  const long = "abc".repeat(20);
  expect(await complete(model, tokenizer, [long])).toEqual([await continued(long, 40)]);
  // The longest prompt of a batch decides how many tokens fit.
  const both = [await continued("ab", 40), await continued(long, 40)];
  expect(await complete(model, tokenizer, ["ab", long])).toEqual(both);
  expect(await complete(model, tokenizer, [long, "ab"])).toEqual(both.reverse());
  expect(await complete(model, tokenizer, ["ab"], { maxNewTokens: 1 })).toEqual([await continued("ab", 1)]);
});

test("a tokenizer without an end is refused", async () => {
  await expect(complete(model, { ...tokenizer, eosTokenId: null } as Tokenizer, ["a"])).rejects.toThrow("no eos_token");
});

/** The same generator, SplitMix32, computed with BigInt and seeded by steps of FNV-1. */
function draws(seed: number, stream: string, count: number): number[] {
  const bits = 2n ** 32n;
  let state = BigInt(seed) % bits;
  for (const letter of stream) state = ((state ^ BigInt(letter.charCodeAt(0))) * 0x01000193n) % bits;
  return Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9n) % bits;
    let mixed = ((state ^ (state >> 16n)) * 0x21f0aaadn) % bits;
    mixed = ((mixed ^ (mixed >> 15n)) * 0x735a2d97n) % bits;
    return Number(mixed ^ (mixed >> 15n)) / 2 ** 32;
  });
}

test("draws are splitmix32's, on every machine", () => {
  for (const [seed, stream] of [
    [0, ""],
    [7, "train"],
    [2 ** 32 - 1, "test"],
  ] as const) {
    const expected = draws(seed, stream, 60);
    const random = seededRandom(seed, stream);
    for (const share of expected.slice(0, 20)) expect(random.below(1e9)).toBe(Math.floor(share * 1e9));
    for (const share of expected.slice(20, 40)) expect(random.chance(0.5)).toBe(share < 0.5);
    for (const share of expected.slice(40)) expect(random.pick(["a", "b", "c"])).toBe("abc"[Math.floor(share * 3)]);
  }
});

test("a request has an opening, qualifiers and an ending as often as is drawn", () => {
  /** A generator with scripted chances: each is true if the probability is above it. `pick` returns the first item. */
  const scripted = (...chances: number[]) => ({
    below: () => 0,
    chance: (probability: number) => (chances.shift() as number) < probability,
    pick: <T>(items: readonly T[]) => items[0],
  });
  const slots = { a: "3", b: "price", x: "age" } as never;
  const say = (wording: string, ...chances: number[]) => phraseRequest(wording, slots, scripted(...chances));
  expect(say("add {a} to {b}", 0.199, 0.2, 0.399, 0.149)).toBe("please add the number 3 to price please");
  expect(say("add {a} to {b}", 0.2, 0.199, 0.4, 0.15)).toBe("add 3 to the variable price");
  // A question gets no opening, and "the" already qualifies the argument.
  expect(say("what is the {b}", 0.15)).toBe("what is the price");
});
