import { init, logSoftmax, memory, reference, tensor } from "@lowrank/core";
import { type CausalLM, generate } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { beforeAll, expect, test } from "vitest";
import type { ServingEvent, ServingPrompt, TokenLogprob } from "../api/api.ts";
import { collect, requestOf } from "../testing/collect.ts";
import { tinyLlama, tinyTokenizer, unlikeModel } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";
import type { EngineOptions } from "./engineOptions.ts";

const tokenizer = tinyTokenizer();
const prompt = tokenizer.encode("hello");
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

test("greedy tokens are those of generate, with their events in order", async () => {
  const [expected] = await generate(model, [prompt], { maxNewTokens: 12 });
  const engine = await make();
  const { events, tokens, text } = await collect(engine, { maxNewTokens: 12, ignoreEos: true });
  expect(tokens).toEqual(expected);
  expect(text).toBe(tokenizer.decode(expected, { skipSpecialTokens: true }));
  const queueSeconds = expect.toSatisfy((seconds: number) => seconds >= 0 && seconds < 60);
  expect(events[0]).toEqual({ type: "started", promptTokens: 5, cachedTokens: 0, version: null, queueSeconds });
  const counts = { promptTokens: 5, newTokens: 12, cachedTokens: 0 };
  expect(events.at(-1)).toEqual({ type: "finished", reason: "length", ...counts });
  await engine.close();
});

test("penalties and biases are those of generate; each seed has its own tokens, whoever runs beside", async () => {
  const engine = await make();
  const penalties = { repetitionPenalty: 1.5, frequencyPenalty: 0.3, presencePenalty: 0.2 };
  const [expected] = await generate(model, [prompt], { maxNewTokens: 12, ...penalties });
  const penalised = { maxNewTokens: 12, ignoreEos: true, sampling: { temperature: 0, ...penalties } };
  expect((await collect(engine, penalised)).tokens).toEqual(expected);
  const logitBias = { 42: 100 };
  const biased = { maxNewTokens: 3, sampling: { temperature: 0, logitBias } };
  expect((await collect(engine, biased)).tokens).toEqual([42, 42, 42]);
  const drawn = (seed: number) => ({ maxNewTokens: 8, ignoreEos: true, sampling: { temperature: 1, seed } });
  const [one, other, again] = await Promise.all([1, 2, 1].map((seed) => collect(engine, drawn(seed))));
  expect(again.tokens).toEqual(one.tokens);
  expect(other.tokens).not.toEqual(one.tokens);
  const [asGenerate] = await generate(model, [prompt], { maxNewTokens: 8, doSample: true, seed: 1 });
  expect(one.tokens).toEqual(asGenerate);
  await engine.close();
});

test("log-probabilities are those of the model's own logits, of the prompt too", async () => {
  const engine = await make();
  const sampling = { temperature: 0.7, seed: 3, repetitionPenalty: 1.3 };
  const { events } = await collect(engine, { maxNewTokens: 4, ignoreEos: true, logprobs: 3, echo: true, sampling });
  const given = events.flatMap((event) => (event.type === "token" ? [event] : []));
  expect(given.map((event) => event.prompt)).toEqual([true, true, true, true, true, false, false, false, false]);
  expect(given.slice(0, 5).map(({ text }) => text)).toEqual(["h", "e", "l", "l", "o"]);
  expect(given[0].logprob).toEqual({ token: prompt[0], text: "h", bytes: [104], logprob: null, top: [] });
  const all = given.map(({ token }) => token);
  for (const [i, { token, logprob }] of given.entries()) {
    if (i === 0) continue;
    using logits = tensor(await logitsAfter(all.slice(0, i)), { shape: [1, model.vocabSize] });
    using logs = logSoftmax(logits, { dim: 1 });
    const expected = [...((await logs.data()) as Float32Array)];
    expect(logprob?.logprob).toBeCloseTo(expected[token], 5);
    const likeliest = [...expected.keys()].sort((a, b) => expected[b] - expected[a]).slice(0, 3);
    expect(logprob?.top.map((likely: TokenLogprob) => likely.token)).toEqual(likeliest);
    expect(logprob?.top[0].logprob).toBeCloseTo(expected[likeliest[0]], 5);
  }
  await engine.close();
});

test("no new token is made where only the prompt is asked for", async () => {
  const engine = await make();
  const { events, finished } = await collect(engine, { maxNewTokens: 0, echo: true, logprobs: 0 });
  expect(events.length).toBe(7);
  expect(finished).toMatchObject({ reason: "length", newTokens: 0 });
  await engine.close();
});

test("a stop ends the text before it, and what may begin one is held back", async () => {
  const engine = await make();
  const sampling = { temperature: 1, seed: 4 };
  const whole = await collect(engine, { maxNewTokens: 20, ignoreEos: true, sampling });
  const stop = whole.text.slice(6, 9);
  const cut = await collect(engine, { maxNewTokens: 20, ignoreEos: true, sampling, stop: [stop, "never there"] });
  expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
  expect(cut.finished.reason).toBe("stop");
  expect(cut.finished.newTokens).toBeLessThan(20);
  const ids = whole.tokens.slice(3, 5);
  const byIds = await collect(engine, { maxNewTokens: 20, ignoreEos: true, sampling, stop: [ids] });
  expect(byIds.text).toBe(tokenizer.decode(byIds.tokens.slice(0, -2), { skipSpecialTokens: true }));
  const held = await collect(engine, {
    maxNewTokens: 7,
    ignoreEos: true,
    sampling,
    stop: [`${whole.text.slice(5, 7)}no`],
  });
  expect(held.text).toBe(whole.text.slice(0, held.text.length));
  expect(held.finished.reason).toBe("length");
  await engine.close();
});

test("EOS ends a sequence and is no text, unless it is ignored", async () => {
  const engine = await make();
  const eos = tokenizer.eosTokenId!;
  const sampling = { temperature: 0, logitBias: { [eos]: 100 } };
  const ended = await collect(engine, { sampling });
  expect([ended.tokens, ended.text, ended.finished.reason]).toEqual([[eos], "", "stop"]);
  const ignored = await collect(engine, { sampling, ignoreEos: true, maxNewTokens: 3 });
  expect([ignored.tokens, ignored.finished.reason]).toEqual([[eos, eos, eos], "length"]);
  await engine.close();
});

test("a character of several tokens comes whole, and its bytes one by one", async () => {
  const engine = await make();
  const [first, second] = tokenizer.encode("é");
  const bias = (token: number) => ({ temperature: 0, logitBias: { [token]: 100 } });
  const { events } = await collect(engine, {
    prompt: { tokens: [...prompt, first] },
    sampling: bias(second),
    maxNewTokens: 1,
    logprobs: 0,
  });
  expect(events[1]).toMatchObject({ token: second, logprob: { bytes: [0xa9], text: "\uFFFD" } });
  await engine.close();
});

test("a chat is written by the template", async () => {
  const engine = await make();
  const messages = [{ role: "user", content: "hi" }];
  const tokens = await engine.tokenize({ messages });
  expect(await engine.detokenize(tokens)).toBe("user: hi assistant:");
  const { finished } = await collect(engine, { prompt: { messages }, maxNewTokens: 1 });
  expect(finished.promptTokens).toBe(tokens.length);
  await engine.close();
});

test("what is wrong with a request is said before it waits", async () => {
  const engine = await make({ maxModelLen: 32 });
  const tooLong = "context_length_exceeded";
  const wrong = [
    [{ prompt: { tokens: [] } }, "the prompt has no tokens"],
    [{ prompt: { tokens: [3, 999] } }, "the prompt holds 999; the model's token ids are 0 to 97"],
    [
      { prompt: { text: "x".repeat(40) } },
      "maximum context length is 32 tokens; 41 were requested: 40 in the prompt",
      tooLong,
    ],
    [{ maxNewTokens: 30 }, "35 were requested: 5 in the prompt and 30 new", tooLong],
    [{ maxNewTokens: 0 }, "max_tokens is 0; expected a whole number of at least 1"],
    [{ sampling: { temperature: -1 } }, "temperature is -1"],
    [{ sampling: { temperature: 1, topP: 2 } }, "topP is 2"],
    [{ sampling: { temperature: 1, seed: 0.5 } }, "seed is 0.5"],
    [{ sampling: { temperature: 0, repetitionPenalty: 0 } }, "repetitionPenalty is 0"],
    [{ sampling: { temperature: 0, logitBias: { 98: 1 } } }, "logit_bias holds 98"],
    [{ sampling: { temperature: 0, logitBias: { 1: NaN } } }, "logit_bias of token 1 is NaN"],
    [{ logprobs: 21 }, "logprobs is 21; expected a whole number from 0 to 20"],
    [{ stop: [""] }, 'stop holds ""'],
  ] as const;
  for (const [given, message, code = "invalid_request"] of wrong) {
    await expect(collect(engine, given), message).rejects.toThrow(message);
    await expect(collect(engine, given), message).rejects.toMatchObject({ code });
  }
  await expect(collect(engine, { adapter: "x" })).rejects.toMatchObject({ code: "not_found" });
  await expect(engine.embed(["x"])).rejects.toMatchObject({ code: "invalid_request" });
  await engine.close();
});

test("penalties and biases that leave no token are the request's fault", async () => {
  const engine = await make();
  const sampling = { temperature: 1, repetitionPenalty: 1e-300 };
  await expect(collect(engine, { maxNewTokens: 2, sampling })).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("no token is left"),
  });
  await engine.close();
});

test("a text that is longer than its tokens can be is refused before it is read", async () => {
  let read = 0;
  const encode = tokenizer.encode.bind(tokenizer);
  tokenizer.encode = (...args) => {
    read += 1;
    return encode(...args);
  };
  const engine = await make({ maxModelLen: 32 });
  const refused = async (prompt: ServingPrompt) => {
    read = 0;
    const error = await collect(engine, { prompt }).catch((error) => error);
    return [error.code, error.param, read];
  };
  try {
    // The longest token is the end of text, with four bytes.
    expect(await refused({ text: "a".repeat(4 * 32 + 1) })).toEqual(["context_length_exceeded", "prompt", 0]);
    expect(await refused({ text: "a".repeat(4 * 32) })).toEqual(["context_length_exceeded", "prompt", 1]);
    const messages = Array.from({ length: 9 }, () => ({ role: "user", content: "a".repeat(16) }));
    expect(await refused({ messages })).toEqual(["context_length_exceeded", "messages", 0]);
  } finally {
    tokenizer.encode = encode;
    await engine.close();
  }
});

test("ids that are none are told without the tokenizer's place", async () => {
  const engine = await make();
  for (const id of [-1, 0.5, tokenizer.vocabSize]) {
    const message = `${id} is no token id; there are ids from 0 to ${tokenizer.vocabSize - 1}`;
    await expect(engine.detokenize([3, id])).rejects.toMatchObject({
      code: "invalid_request",
      param: "tokens",
      message,
    });
  }
  await engine.close();
});

test("a pass has a row for each sequence also where more than 128 are asked for", async () => {
  await (await make({ maxNumSeqs: 200, maxModelLen: 16 })).close();
});

test("a queue that is full refuses, and says when to come again", async () => {
  const engine = await make({ maxNumSeqs: 1, maxQueue: 2 });
  const results = await Promise.allSettled([0, 1, 2, 3].map(() => collect(engine, { maxNewTokens: 2 })));
  const refused = results.filter(({ status }) => status === "rejected");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]).toMatchObject({ reason: { code: "queue_full", retryAfter: 1 } });
  await engine.close();
});

test("a reader that leaves, and a signal, free place and pages", async () => {
  const engine = await make();
  for await (const event of engine.generate(requestOf({ ignoreEos: true }))) if (event.type === "token") break;
  const controller = new AbortController();
  const aborted = async () => {
    for await (const event of engine.generate(requestOf({ ignoreEos: true }), controller.signal)) {
      if (event.type === "token") controller.abort();
    }
  };
  await expect(aborted()).rejects.toThrow("aborted");
  await engine.drain();
  const { running, waiting, pages, requests } = await engine.stats();
  expect([running, waiting, pages.used, requests]).toEqual([0, 0, 0, []]);
  await engine.close();
});

test("draining refuses new requests and waits for the running ones", async () => {
  const engine = await make();
  const running = collect(engine, { maxNewTokens: 10, ignoreEos: true });
  await new Promise((resolve) => setTimeout(resolve));
  const drained = engine.drain();
  await expect(collect(engine)).rejects.toMatchObject({ code: "draining" });
  await drained;
  expect((await running).finished.newTokens).toBe(10);
  await engine.close();
  await expect(collect(engine)).rejects.toMatchObject({ code: "unavailable" });
});

test("closing ends what runs, and frees all that the engine made", async () => {
  const before = memory();
  const engine = await make();
  let closing: Promise<void> | undefined;
  const closeAtFirstToken = async () => {
    for await (const { type } of engine.generate(requestOf({ ignoreEos: true }))) {
      if (type === "token") closing ??= engine.close();
    }
  };
  await expect(closeAtFirstToken()).rejects.toMatchObject({ code: "unavailable" });
  await closing;
  expect(memory()).toMatchObject({ bytes: before.bytes, buffers: before.buffers });
});

test("a thousand requests leave memory as it was", async () => {
  const engine = await make({ maxNumSeqs: 16, maxNumBatchedTokens: 64 });
  const some = async (count: number, from: number) => {
    const one = (i: number) => {
      const sampling = i % 4 === 0 ? { temperature: 1, seed: i, repetitionPenalty: 1.2 } : { temperature: 0 };
      return collect(engine, { prompt: { tokens: [i % 97, (7 * i) % 97] }, maxNewTokens: 1 + (i % 2), sampling });
    };
    await Promise.all(Array.from({ length: count }, (_, i) => one(from + i)));
  };
  await some(20, 0);
  const before = memory();
  for (let i = 0; i < 10; i++) await some(100, 100 * i);
  expect(memory()).toMatchObject({ bytes: before.bytes, buffers: before.buffers });
  const { pages, requests } = await engine.stats();
  expect([pages.used, requests]).toEqual([0, []]);
  await engine.close();
});

test.each([
  // 16 positions in f32: a row of 16 for each of two convolution layers, and keys and values of 2 heads of 4.
  ["lfm2", 16 * 4 * (2 * 16 + 2 * 2 * 4)],
  // Keys and values of 2 heads of 4 and of 8; the last layer shares the second's.
  ["gemma4_text", 16 * 4 * (2 * 2 * 4 + 2 * 2 * 8)],
])("a %s, whose layers differ, answers as generate does, and a block takes what these keep", async (type, bytes) => {
  const other = unlikeModel(type);
  await expect(make({ model: other, kvCacheMemoryBytes: bytes - 1 })).rejects.toThrow(`a block takes ${bytes} bytes`);
  const engine = await make({ model: other, kvCacheMemoryBytes: 12 * bytes, maxModelLen: 64 });
  const texts = ["hello", "hello there, who are", "a"];
  const prompts = texts.map((text) => tokenizer.encode(text));
  const expected = await generate(other, prompts, { maxNewTokens: 20, eosTokenIds: [] });
  const answers = await Promise.all(
    texts.map((text) => collect(engine, { prompt: { text }, maxNewTokens: 20, ignoreEos: true })),
  );
  expect(answers.map(({ tokens }) => tokens)).toEqual(expected);
  await engine.close();
});

test("sizes that cannot be are refused by name, and so is a backend that is not batch-invariant", async () => {
  await expect(make({ maxNumSeqs: 0 })).rejects.toThrow("maxNumSeqs is 0");
  await expect(make({ maxNumBatchedTokens: 8 })).rejects.toThrow("maxNumBatchedTokens is 8");
  await expect(make({ maxModelLen: 65 })).rejects.toThrow("the model supports at most 64 positions");
  await expect(make({ numBlocks: 2, maxModelLen: 64 })).rejects.toThrow("the KV cache has room for only 32 tokens");
  await expect(make({ kvCacheMemoryBytes: 10 })).rejects.toThrow("a block takes 2048 bytes");
  const { batchInvariant: _, ...usual } = reference();
  await init(usual);
  const other = tinyLlama();
  await expect(make({ model: other })).rejects.toThrow("not batch-invariant");
  await init(reference());
});

test("the model's numbers are told, and the state of each request", async () => {
  const engine = await make({ model: new PeftModel(tinyLlama()), maxNumSeqs: 1 });
  expect(await engine.model()).toMatchObject({
    ...{ name: "tiny", vocabSize: 98, maxPositions: 64, task: "generate", hasChatTemplate: true },
  });
  const states: string[][] = [];
  const watch = async (event: ServingEvent) => {
    if (event.type !== "finished") states.push((await engine.stats()).requests.map(({ state }) => state));
  };
  const first = async () => {
    for await (const event of engine.generate(requestOf({ maxNewTokens: 2, ignoreEos: true }))) await watch(event);
  };
  await Promise.all([first(), collect(engine, { maxNewTokens: 1 })]);
  expect(states[0]).toEqual(["decode", "waiting"]);
  const { promptTokens, newTokens, passes } = await engine.stats();
  expect([promptTokens, newTokens]).toEqual([10, 3]);
  expect(passes).toBe(3);
  await engine.close();
});
