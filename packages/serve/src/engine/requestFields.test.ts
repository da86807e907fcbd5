import { Generator, init, logSoftmax, reference, tensor } from "@lowrank/core";
import { type CausalLM, createModel, parseModelConfig, randomParameters, type Tokenizer } from "@lowrank/models";
import { beforeAll, expect, test } from "vitest";
import type { ServingEvent } from "../api/api.ts";
import { collect } from "../testing/collect.ts";
import { tinyLlama, tinySizes, tinyTokenizer } from "../testing/tinyModel.ts";
import { wordTokenizer } from "../testing/wordTokenizer.ts";
import { createEngine } from "./createEngine.ts";
import type { EngineOptions } from "./engineOptions.ts";

const tokenizer = tinyTokenizer();
const eos = tokenizer.eosTokenId!;
const prompt = tokenizer.encode("hello");
const greedy = { temperature: 0 };
let model: CausalLM;

beforeAll(async () => {
  await init(reference());
  model = tinyLlama();
});

const make = (options: Partial<EngineOptions> = {}) =>
  createEngine({ model, tokenizer, servedModelName: "tiny", ...options });

/** Returns the logits after the given tokens. */
async function logitsAfter(tokens: readonly number[]): Promise<Float32Array> {
  using inputIds = tensor([[...tokens]], { dtype: "i32" });
  using logits = model.nextLogits({ inputIds });
  return (await logits.data()) as Float32Array;
}

/** Decodes greedily from the model's logits, without the tokens that `banned` returns. */
async function greedyWithout(banned: (newTokens: readonly number[]) => readonly number[], count: number) {
  const tokens: number[] = [];
  while (tokens.length < count) {
    const logits = Float32Array.from(await logitsAfter([...prompt, ...tokens]));
    for (const token of banned(tokens)) logits[token] = -Infinity;
    tokens.push(logits.indexOf(Math.max(...logits)));
  }
  return tokens;
}

function promptEvents(events: readonly ServingEvent[]) {
  return events.flatMap((event) => (event.type === "token" && event.prompt ? [event] : []));
}

test("minTokens forbids EOS and stop tokens until there are so many, and no other token", async () => {
  const engine = await make();
  const free = await collect(engine, { maxNewTokens: 8, ignoreEos: true });
  const stop = free.tokens[2];
  const stopped = await collect(engine, { maxNewTokens: 8, stopTokenIds: [stop] });
  expect(stopped.finished).toMatchObject({
    reason: "stop",
    stopReason: stop,
    newTokens: free.tokens.indexOf(stop) + 1,
  });
  const later = await collect(engine, { maxNewTokens: 8, stopTokenIds: [stop], minTokens: 5 });
  const expected = await greedyWithout((tokens) => (tokens.length < 5 ? [stop, eos] : []), 8);
  expect(later.tokens).toEqual(expected.slice(0, later.tokens.length));
  expect(later.tokens.slice(0, 5)).not.toContain(stop);
  expect(later.finished.newTokens).toBeGreaterThanOrEqual(5);
  const sampling = { temperature: 0, logitBias: { [eos]: 100 } };
  const ended = await collect(engine, { maxNewTokens: 8, sampling, minTokens: 4 });
  expect([ended.tokens.length, ended.tokens.indexOf(eos), ended.finished.reason]).toEqual([5, 4, "stop"]);
  expect(ended.finished.stopReason).toBe(null);
  await engine.close();
});

test("minTokens keeps a stop text from ending a sequence early", async () => {
  const engine = await make();
  const sampling = { temperature: 1, seed: 4 };
  const free = await collect(engine, { maxNewTokens: 20, ignoreEos: true, sampling, minTokens: 4 });
  const stop = free.text[1];
  const late = await collect(engine, { maxNewTokens: 20, ignoreEos: true, sampling, stop: [stop], minTokens: 4 });
  // The stop text occurs within the first four tokens; the text ends at its next occurrence.
  const next = free.text.indexOf(stop, 4);
  expect(late.text).toBe(next < 0 ? free.text : free.text.slice(0, next));
  expect(late.finished.newTokens).toBeGreaterThan(4);
  await engine.close();
});

test("a stop is in the text with includeStop: stop texts, stop tokens and EOS", async () => {
  const engine = await make();
  const sampling = { temperature: 1, seed: 4 };
  const free = await collect(engine, { maxNewTokens: 20, ignoreEos: true, sampling });
  const stop = free.text.slice(6, 9);
  const given = { maxNewTokens: 20, ignoreEos: true, sampling, includeStop: true };
  const kept = await collect(engine, { ...given, stop: [stop] });
  expect(kept.text).toBe(free.text.slice(0, free.text.indexOf(stop) + stop.length));
  expect(kept.finished).toMatchObject({ reason: "stop", stopReason: stop });
  const cut = await collect(engine, { ...given, includeStop: false, stop: [stop] });
  expect([cut.text + stop, cut.finished.stopReason]).toEqual([kept.text, stop]);
  const token = free.tokens[3];
  const byToken = await collect(engine, { ...given, stopTokenIds: [token] });
  expect(byToken.text).toBe(tokenizer.decode(free.tokens.slice(0, free.tokens.indexOf(token) + 1)));
  const atEos = { sampling: { temperature: 0, logitBias: { [eos]: 100 } }, includeStop: true };
  expect((await collect(engine, atEos)).text).toBe("");
  expect((await collect(engine, { ...atEos, skipSpecialTokens: false })).text).toBe("</s>");
  await engine.close();
});

test("special tokens are in the text unless they are skipped", async () => {
  const engine = await make();
  const sampling = { temperature: 0, logitBias: { [eos]: 100 } };
  const given = { sampling, ignoreEos: true, maxNewTokens: 2 };
  expect((await collect(engine, given)).text).toBe("");
  expect((await collect(engine, { ...given, skipSpecialTokens: false })).text).toBe("</s></s>");
  await engine.close();
});

test("only allowed tokens come", async () => {
  const engine = await make();
  const allowedTokenIds = [4, 5, 6];
  const others = Array.from({ length: model.vocabSize }, (_, id) => id).filter((id) => !allowedTokenIds.includes(id));
  const { tokens } = await collect(engine, { maxNewTokens: 6, sampling: { ...greedy, allowedTokenIds } });
  expect(tokens).toEqual(await greedyWithout(() => others, 6));
  const drawn = { temperature: 1.5, seed: 3, allowedTokenIds, logitBias: { 5: 3 }, repetitionPenalty: 1.2 };
  const all = new Set((await collect(engine, { maxNewTokens: 30, sampling: drawn })).tokens);
  expect([...all].sort()).toEqual(allowedTokenIds);
  const none = { maxNewTokens: 3, minTokens: 1, sampling: { ...greedy, allowedTokenIds: [eos] } };
  for (const logprobs of [undefined, 2]) {
    const refusal = {
      code: "invalid_request",
      message: expect.stringContaining("no token is left after the request's"),
    };
    await expect(collect(engine, { ...none, logprobs })).rejects.toMatchObject(refusal);
  }
  await engine.close();
});

test("bad words never come, alone or after a space; their beginnings may", async () => {
  const words = wordTokenizer();
  const config = parseModelConfig({
    ...{ model_type: "llama", vocab_size: words.vocabSize, max_position_embeddings: 256, ...tinySizes },
    ...{ eos_token_id: words.eosTokenId, tie_word_embeddings: false },
  });
  const small = createModel(config, randomParameters(new Generator(5))).eval() as CausalLM;
  const engine = await createEngine({ model: small, tokenizer: words, servedModelName: "words" });
  const asked = (badWords?: string[]) => ({
    ...{ prompt: { text: "abcd" }, maxNewTokens: 200, ignoreEos: true },
    ...{ sampling: { temperature: 1, seed: 2, badWords } },
  });
  const free = await collect(engine, asked());
  const pairOf = (text: string) => words.encode(text, { addSpecialTokens: false });
  const holds = (tokens: readonly number[], word: readonly number[]) => {
    return tokens.some((_, at) => word.every((id, i) => tokens[at + i] === id));
  };
  expect([holds(free.tokens, pairOf("ab")), holds(free.tokens, pairOf(" ab"))]).toEqual([true, true]);
  // A word of two tokens that occurred in the answer.
  const word = words.decode(free.tokens.slice(0, 2), { skipSpecialTokens: true });
  const { tokens } = await collect(engine, asked(["ab", "ac", word]));
  for (const text of ["ab", " ab", "ac", word]) expect(holds(tokens, pairOf(text)), text).toBe(false);
  expect(tokens).toContain(pairOf("a")[0]);
  await engine.close();
});

test("prompt log-probabilities and ranks equal the values from the model's logits", async () => {
  const engine = await make({ maxNumBatchedTokens: 64 });
  const { events, text } = await collect(engine, { maxNewTokens: 2, ignoreEos: true, promptLogprobs: 3 });
  const given = promptEvents(events);
  expect(given.map(({ token }) => token)).toEqual(prompt);
  expect(given[0].logprob).toMatchObject({ logprob: null, top: [] });
  for (const [i, { token, logprob }] of given.entries()) {
    if (i === 0) continue;
    using logits = tensor(await logitsAfter(prompt.slice(0, i)), { shape: [1, model.vocabSize] });
    using logs = logSoftmax(logits, { dim: 1 });
    const expected = [...((await logs.data()) as Float32Array)];
    const order = [...expected.keys()].sort((a, b) => expected[b] - expected[a]);
    expect(logprob?.logprob).toBeCloseTo(expected[token], 5);
    expect(logprob?.rank).toBe(order.indexOf(token) + 1);
    expect(logprob?.top.map((likely) => [likely.token, likely.rank])).toEqual(
      order.slice(0, 3).map((id, r) => [id, r + 1]),
    );
  }
  expect(events.filter((event) => event.type === "token" && !event.prompt && event.logprob)).toEqual([]);
  const plain = await collect(engine, { maxNewTokens: 2, ignoreEos: true });
  expect(text).toBe(plain.text);
  const whole = await make({ maxLogprobs: 98 });
  const all = promptEvents((await collect(whole, { maxNewTokens: 1, promptLogprobs: -1 })).events);
  expect(all[1].logprob?.top.length).toBe(model.vocabSize);
  await Promise.all([engine.close(), whole.close()]);
});

test("the first event has the prompt's ids if requested, and a prompt can be cut at either end", async () => {
  const engine = await make({ maxModelLen: 32 });
  const idsOf = async (given: object) => {
    const { events } = await collect(engine, { maxNewTokens: 2, returnPromptTokens: true, ...given });
    return events[0].type === "started" ? events[0].promptTokenIds : null;
  };
  expect(await idsOf({})).toEqual(prompt);
  expect(await idsOf({ truncatePromptTokens: 3 })).toEqual(prompt.slice(2));
  expect(await idsOf({ truncatePromptTokens: 3, truncationSide: "right" })).toEqual(prompt.slice(0, 3));
  const long = { text: "x".repeat(5000) };
  expect(await idsOf({ prompt: long, truncatePromptTokens: -1 })).toHaveLength(30);
  expect(await idsOf({ prompt: { tokens: [1, 2] }, truncatePromptTokens: 30 })).toEqual([1, 2]);
  await expect(idsOf({ truncatePromptTokens: 31 })).rejects.toThrow("truncate_prompt_tokens is 31; expected -1, or");
  await expect(idsOf({ truncatePromptTokens: 0 })).rejects.toThrow("leaves 0 tokens");
  await engine.close();
});

const chatTemplate =
  "{% for m in messages %}[{{ m.role }}{{ m.name or '' }}]{{ m.content }}/{% endfor %}" +
  "{% if mood %}<{{ mood }}>{% endif %}{% if add_generation_prompt %}[assistant]{% endif %}";

/** Creates an engine whose template writes names and a variable. */
function chatty(): Promise<Awaited<ReturnType<typeof make>>> {
  return make({ tokenizer: withTemplate(chatTemplate) });
}

function withTemplate(template: string): Tokenizer {
  return Object.assign(tinyTokenizer(), { chatTemplate: template });
}

test("a chat's last message is continued, and the template gets names and variables", async () => {
  const engine = await chatty();
  const messages = [
    { role: "user", content: "hi", name: "ann" },
    { role: "assistant", content: "Sure: " },
  ];
  const written = async (given: object) => engine.detokenize(await engine.tokenize({ messages, ...given }));
  expect(await written({})).toBe("[userann]hi/[assistant]Sure: /[assistant]");
  expect(await written({ addGenerationPrompt: false })).toBe("[userann]hi/[assistant]Sure: /");
  expect(await written({ continueFinalMessage: true })).toBe("[userann]hi/[assistant]Sure: ");
  expect(await written({ templateVariables: { mood: "calm" } })).toBe(
    "[userann]hi/[assistant]Sure: /<calm>[assistant]",
  );
  await expect(written({ continueFinalMessage: true, addGenerationPrompt: true })).rejects.toThrow("set one of them");
  const trimming = await make({
    tokenizer: withTemplate("{% for m in messages %}{{ m.content | trim }}</s>{% endfor %}"),
  });
  expect(await trimming.detokenize(await trimming.tokenize({ messages, continueFinalMessage: true }))).toBe(
    "hi</s>Sure:",
  );
  await Promise.all([engine.close(), trimming.close()]);
});

test("special tokens are added to texts by default, and to chats if requested", async () => {
  const words = wordTokenizer("{% for m in messages %}{{ m.content }}{% endfor %}");
  const config = parseModelConfig({
    ...{ model_type: "llama", vocab_size: words.vocabSize, max_position_embeddings: 64, ...tinySizes },
  });
  const small = createModel(config, randomParameters(new Generator(5))).eval() as CausalLM;
  const engine = await createEngine({ model: small, tokenizer: words, servedModelName: "words" });
  const bos = words.bosTokenId!;
  const bare = words.encode("abcd", { addSpecialTokens: false });
  expect(await engine.tokenize({ text: "abcd" })).toEqual([bos, ...bare]);
  expect(await engine.tokenize({ text: "abcd", addSpecialTokens: false })).toEqual(bare);
  const messages = [{ role: "user", content: "abcd" }];
  expect(await engine.tokenize({ messages })).toEqual(bare);
  expect(await engine.tokenize({ messages, addSpecialTokens: true })).toEqual([bos, ...bare]);
  await engine.close();
});

test("errors of these fields name the field and the fix", async () => {
  const engine = await make();
  const wrong = [
    [{ minTokens: 9, maxNewTokens: 8 }, "min_tokens is 9; expected a whole number from 0 to max_tokens, which is 8"],
    [{ stopTokenIds: [98] }, "stop_token_ids holds 98; the model's token ids are 0 to 97"],
    [{ promptLogprobs: 21 }, "prompt_logprobs is 21; expected a whole number from 0 to 20"],
    [{ promptLogprobs: -1 }, "prompt_logprobs is -1, all 98 tokens of the vocabulary; the limit is 20"],
    [{ priority: 0.5 }, "priority is 0.5"],
    [{ sampling: { temperature: 0, allowedTokenIds: [] } }, "allowed_token_ids is empty"],
    [{ sampling: { temperature: 0, allowedTokenIds: [-1] } }, "allowed_token_ids holds -1"],
    [{ sampling: { temperature: 0, badWords: [" "] } }, 'bad_words holds " "'],
  ] as const;
  for (const [given, message] of wrong) {
    await expect(collect(engine, given), message).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining(message),
    });
  }
  await engine.close();
});
