import { copyInto, init, noGrad, reference, tensor } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { beforeAll, expect, test } from "vitest";
import type { ServingRequest } from "../api/api.ts";
import { collect } from "../testing/collect.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";
import type { EngineOptions } from "./engineOptions.ts";

const tokenizer = tinyTokenizer();
const broken = 50;
let model: CausalLM;

beforeAll(async () => {
  await init(reference());
  model = tinyLlama();
  // A prompt with this token gets logits that are not finite.
  const embeddings = [...model.namedParameters()].find(([name]) => name.includes("embed_tokens"))![1];
  const values = (await embeddings.data()).slice() as Float32Array;
  const width = values.length / model.vocabSize;
  values.fill(Number.NaN, broken * width, (broken + 1) * width);
  noGrad(() => copyInto(embeddings, tensor(values, { shape: [...embeddings.shape] })));
});

const make = (options: Partial<EngineOptions> = {}) =>
  createEngine({ model, tokenizer, servedModelName: "tiny", ...options });

const plain = (tokens: number[], more: Partial<ServingRequest> = {}): Partial<ServingRequest> => ({
  ...{ prompt: { tokens }, maxNewTokens: 4, ignoreEos: true, ...more },
});

test("rows of a pass that fail have their own reasons, and the others go on", async () => {
  const engine = await make();
  const alone = [await collect(engine, plain([1, 2, 3])), await collect(engine, plain([7, 8]))];
  const eos = tokenizer.eosTokenId!;
  const blocked = { minTokens: 1, sampling: { temperature: 0, allowedTokenIds: [eos] } };
  for (const logprobs of [undefined, 0, 2]) {
    const answers = await Promise.allSettled([
      collect(engine, plain([1, 2, 3], { logprobs })),
      collect(engine, plain([4, 5], { ...blocked, logprobs })),
      collect(engine, plain([6, broken], { logprobs })),
      collect(engine, plain([7, 8], { logprobs })),
    ]);
    const [one, none, nan, two] = answers as unknown as { value: Awaited<ReturnType<typeof collect>>; reason: Error }[];
    expect([one.value.tokens, two.value.tokens]).toEqual(alone.map(({ tokens }) => tokens));
    expect(none.reason).toMatchObject({ code: "invalid_request", param: "logit_bias" });
    expect(none.reason.message).toMatch(/^no token is left after the request's logit_bias, .*; relax some of them$/);
    expect(nan.reason).toMatchObject({ code: "unavailable" });
    expect(nan.reason.message).toContain("the model failed: the logit of token 0 is NaN");
  }
  await engine.close();
});

test("requests of one pass have as many likeliest tokens as each asks for", async () => {
  const engine = await make();
  const asked = [3, undefined, 0, 1] as const;
  const together = await Promise.all(asked.map((logprobs, i) => collect(engine, plain([i + 1, 9], { logprobs }))));
  for (const [i, logprobs] of asked.entries()) {
    const { events } = together[i];
    const found = events.flatMap((event) => (event.type === "token" ? [event.logprob] : []));
    expect(found.map((one) => one?.top.length)).toEqual(Array(4).fill(logprobs));
    const alone = await collect(engine, plain([i + 1, 9], { logprobs }));
    const own = alone.events.flatMap((event) => (event.type === "token" ? [event.logprob] : []));
    expect(found.map((one) => one && [one.token, one.top.map(({ token }) => token)])).toEqual(
      own.map((one) => one && [one.token, one.top.map(({ token }) => token)]),
    );
    for (const [t, one] of found.entries()) {
      if (one) expect(one.logprob).toBeCloseTo(own[t]!.logprob!, 6);
      if (one && one.top.length > 0) expect(one.top[0].token).toBe(one.token);
      expect(one?.rank).toBe(undefined);
    }
  }
  await engine.close();
});

test("prompts with and without log-probabilities share passes, and ranks come with the former alone", async () => {
  const engine = await make({ maxNumBatchedTokens: 64 });
  const given = [
    plain([1, 2, 3, 4], { promptLogprobs: 2 }),
    plain([5, 6], { logprobs: 1 }),
    plain([7, 8, 9], { promptLogprobs: 0, logprobs: 2 }),
    plain([10, 11]),
  ];
  const together = await Promise.all(given.map((request) => collect(engine, request)));
  const shape = together.map(({ events }) =>
    events.flatMap((event) => {
      if (event.type !== "token") return [];
      const { logprob, prompt } = event;
      return [[prompt, logprob ? logprob.top.length : null, logprob?.rank !== undefined]];
    }),
  );
  const fresh = (top: number | null, ranked: boolean) => Array(4).fill([false, top, ranked]);
  expect(shape).toEqual([
    [[true, 0, false], ...Array(3).fill([true, 2, true]), ...fresh(null, false)],
    fresh(1, false),
    [[true, 0, false], ...Array(2).fill([true, 0, true]), ...fresh(2, true)],
    fresh(null, false),
  ]);
  for (const [i, request] of given.entries()) {
    expect(together[i].tokens).toEqual((await collect(engine, request)).tokens);
  }
  await engine.close();
});

test("the counts of an engine are those of its passes", async () => {
  const engine = await make({ maxNumBatchedTokens: 2, maxNumSeqs: 2, blockSize: 2, numBlocks: 16 });
  expect(await engine.stats()).toMatchObject({
    ...{ passes: 0, batchRows: 0, decodeRows: 0, promptTokens: 0, cachedTokens: 0, newTokens: 0 },
    ...{ waiting: 0, running: 0, paused: 0, preemptions: 0, pages: { total: 16, used: 0, cached: 0 }, requests: [] },
  });
  // The prompt takes three passes of 2, 2 and 1 rows; the last one gives the first token.
  const first = await collect(engine, plain([1, 2, 3, 4, 5], { maxNewTokens: 3 }));
  expect(first.finished).toMatchObject({ promptTokens: 5, newTokens: 3, cachedTokens: 0 });
  const counts = { batchRows: 1, decodeRows: 1, promptTokens: 5, cachedTokens: 0, newTokens: 3, passes: 5 };
  expect(await engine.stats()).toMatchObject(counts);
  const again = await collect(engine, plain([1, 2, 3, 4, 5], { maxNewTokens: 1 }));
  expect(again.finished.cachedTokens).toBe(4);
  expect(await engine.stats()).toMatchObject({
    ...{ passes: 6, batchRows: 1, decodeRows: 0, promptTokens: 10, cachedTokens: 4, newTokens: 4 },
    pages: { total: 16, used: 0 },
  });
  await engine.close();
  await engine.close();
});

test("a signal that was aborted before is thrown, and nothing runs", async () => {
  const engine = await make();
  const asked = engine.generate(
    { id: "r", adapter: null, tenant: "t", prompt: { tokens: [1] }, sampling: { temperature: 0 } },
    AbortSignal.abort(new Error("gone")),
  );
  await expect(asked[Symbol.asyncIterator]().next()).rejects.toThrow("gone");
  expect((await engine.stats()).passes).toBe(0);
  await engine.drain();
  await engine.close();
});

test("the model and its time are told in seconds", async () => {
  const engine = await make({ maxModelLen: 20 });
  const { created, ...others } = await engine.model();
  expect(Math.abs(created - Date.now() / 1000)).toBeLessThan(60);
  expect(others).toEqual({
    ...{ name: "tiny", vocabSize: 98, maxPositions: 20, modelPositions: 64, task: "generate", hasChatTemplate: true },
  });
  await expect(engine.embed([])).rejects.toThrow("tiny generates text; embeddings need an encoder");
  await expect(engine.loadAdapter("a", "b")).rejects.toMatchObject({ code: "invalid_request" });
  expect(await engine.adapters()).toEqual([]);
  await engine.close();
});

test("an echoed prompt has each of its tokens once, and whole characters", async () => {
  const engine = await make();
  // "é" has two tokens, 95 and 96. The prompt ends within one.
  const tokens = [1, 95, 96, 2, 95];
  for (const logprobs of [undefined, 0]) {
    const { events } = await collect(engine, plain(tokens, { echo: true, logprobs }));
    const prompt = events.flatMap((event) => (event.type === "token" && event.prompt ? [event] : []));
    expect(prompt.map(({ token, text }) => [token, text])).toEqual([
      ...[
        [1, "!"],
        [95, ""],
        [96, "é"],
        [2, '"'],
        [95, "\ufffd"],
      ],
    ]);
  }
  const short = await collect(engine, plain([1, 2], { echo: true, logprobs: 1, maxNewTokens: 0 }));
  const found = short.events.flatMap((event) => (event.type === "token" ? [event.logprob?.logprob] : []));
  expect(found).toEqual([null, expect.any(Number)]);
  await engine.close();
});

test("token 0 is a token like others, and the counts of passes are those of the last one", async () => {
  const engine = await make();
  const only = { sampling: { temperature: 0, allowedTokenIds: [0] } };
  const { tokens, events } = await collect(engine, plain([1, 2, 3], { ...only, maxNewTokens: 2 }));
  expect(tokens).toEqual([0, 0]);
  const [started] = events as unknown as { queueSeconds: number }[];
  expect(started.queueSeconds).toBeGreaterThanOrEqual(0);
  expect(await engine.stats()).toMatchObject({ passes: 2, batchRows: 1, decodeRows: 1 });
  await collect(engine, plain([4, 5, 6, 7], { ...only, maxNewTokens: 1 }));
  expect(await engine.stats()).toMatchObject({ passes: 3, batchRows: 4, decodeRows: 0 });
  await engine.close();
});
