import { expect, test } from "vitest";
import { ServingError, type ServingEvent, type ServingRequest } from "../api/api.ts";
import { events, post } from "../testing/post.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";
import { createApp } from "./index.ts";

const path = "/v1/completions";
const asked = { model: "test-base", prompt: "Once upon" };
const start = (options: ConstructorParameters<typeof ScriptedEngine>[0] = {}) => {
  const engine = new ScriptedEngine(options);
  return { engine, app: createApp({ engine }) };
};
const choicesOf = async (body: object, options = {}) => {
  const response = await post(start(options).app, path, { ...asked, ...body });
  expect(response.status).toBe(200);
  return (await response.json()).choices;
};

test("a completion has 16 new tokens unless it asks for others, and up to 20 log-probabilities", async () => {
  const { app, engine } = start();
  await post(app, path, asked);
  await post(app, path, { ...asked, max_tokens: 1 });
  await post(app, path, { ...asked, max_tokens: null, logprobs: 20 });
  expect(engine.requests.map(({ maxNewTokens }) => maxNewTokens)).toEqual([16, 1, 16]);
  expect(engine.requests.map(({ logprobs }) => logprobs)).toEqual([undefined, undefined, 20]);
  expect((await post(app, path, { ...asked, logprobs: -1 })).status).toBe(400);
});

test("choices of several prompts have ids in their order", async () => {
  const { app, engine } = start();
  await post(app, path, { ...asked, prompt: ["a", "b", "c"], n: 2 });
  const [, base] = /^(.*)-0$/.exec(engine.requests[0].id) ?? [];
  expect(engine.requests.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `${base}-${i}`));
  const most = { ...asked, prompt: Array.from({ length: 8 }, () => "a"), n: 2 };
  expect((await post(app, path, most)).status).toBe(200);
  const more = await post(app, path, { ...most, n: 3 });
  expect((await more.json()).error).toMatchObject({
    param: "n",
    message: expect.stringContaining("The request needs 24 sequences: its prompts times n. This server's limit is 16"),
  });
});

test("no tokens need echo, and a model of embeddings makes no text", async () => {
  const response = await post(start().app, path, { ...asked, max_tokens: 0 });
  expect((await response.json()).error.message).toBe(
    "Invalid 'max_tokens': it is 0; expected at least 1, or 0 with echo.",
  );
  const embeds = await post(start({ task: "embed" }).app, path, asked);
  expect((await embeds.json()).error).toMatchObject({
    param: "model",
    message: "The model `test-base` makes embeddings, not text.",
  });
});

test("token ids and prompt log-probabilities come with each choice where they are asked for", async () => {
  const [plain] = await choicesOf({});
  expect(Object.keys(plain)).toEqual(["index", "text", "logprobs", "finish_reason", "stop_reason"]);
  const [choice] = await choicesOf({ return_token_ids: true, prompt_logprobs: 0, max_tokens: 2 });
  expect(choice).toMatchObject({ token_ids: [0, 1], prompt_token_ids: [0, 1], text: "Hello there", logprobs: null });
  expect(choice.prompt_logprobs).toHaveLength(2);
  expect(choice.prompt_logprobs[0]).toBe(null);
  expect(Object.keys(choice.prompt_logprobs[1])).toHaveLength(1);
  const [echoed] = await choicesOf({ return_token_ids: true, echo: true, max_tokens: 1, logprobs: 0 });
  expect(echoed).toMatchObject({ token_ids: [0], prompt_token_ids: [0, 1], text: "Once uponHello" });
  expect(echoed.logprobs.text_offset).toEqual([0, 4, 9]);
  // New tokens have only `logprobs` top tokens, although the prompt's have more.
  const [both] = await choicesOf({ prompt_logprobs: 3, logprobs: 1, echo: true, max_tokens: 1 });
  expect(both.logprobs.top_logprobs.map((top: object | null) => top && Object.keys(top).length)).toEqual([null, 2, 2]);
  expect(Object.keys(both.prompt_logprobs[1])).toHaveLength(4);
});

test("pieces have their own log-probabilities and ids, and the first one the prompt's", async () => {
  const stream = async (body: object) => events(await post(start().app, path, { ...asked, ...body, stream: true }));
  const pieces = (await stream({ return_token_ids: true, logprobs: 1, max_tokens: 2 })).slice(0, -1);
  const [first, second, last] = pieces.map(({ choices }) => choices[0]);
  expect(first).toMatchObject({ text: "Hello", token_ids: [0], prompt_token_ids: [0, 1], finish_reason: null });
  expect(first.logprobs).toEqual({
    ...{ tokens: ["Hello"], token_logprobs: [-0.25], top_logprobs: [{ a: -1, Hello: -0.25 }], text_offset: [0] },
  });
  expect(second).toMatchObject({ text: " there", token_ids: [1], logprobs: { text_offset: [5] } });
  expect(second).not.toHaveProperty("prompt_token_ids");
  expect(last).toEqual({ index: 0, text: "", logprobs: null, finish_reason: "length", stop_reason: null });
  const echoed = (await stream({ echo: true, return_token_ids: true, max_tokens: 1 })).map((one) => one.choices?.[0]);
  expect(echoed.slice(0, 3).map(({ text, token_ids }) => [text, token_ids])).toEqual([
    ["Once", []],
    [" upon", []],
    ["Hello", [0]],
  ]);
  expect(echoed[0].prompt_token_ids).toEqual([0, 1]);
});

test("offsets are counted in the text of each choice", async () => {
  const choices = await choicesOf({ n: 2, logprobs: 0, max_tokens: 3 });
  for (const { logprobs } of choices) expect(logprobs.text_offset).toEqual([0, 5, 11]);
  const pieces = await events(await post(start().app, path, { ...asked, n: 2, logprobs: 0, stream: true }));
  const offsets = [0, 1].map((index) =>
    pieces.flatMap((piece) => {
      const choice = piece.choices?.[0];
      return choice?.index === index && choice.logprobs ? choice.logprobs.text_offset : [];
    }),
  );
  expect(offsets).toEqual([
    [0, 5, 11],
    [0, 5, 11],
  ]);
});

/** Engine whose second token completes no text. */
class HeldText extends ScriptedEngine {
  override async *generate(request: ServingRequest): AsyncGenerator<ServingEvent, void, undefined> {
    yield { type: "started", promptTokens: 1, cachedTokens: 0, version: null };
    yield { type: "token", token: 5, text: "a", prompt: false };
    yield { type: "token", token: 6, text: "", prompt: false };
    yield { type: "token", token: 7, text: "b", prompt: false };
    if (request.stop?.length) throw new ServingError("unavailable", "gone");
    yield { type: "finished", reason: "length", promptTokens: 1, newTokens: 3, cachedTokens: 0 };
  }
}

test("a token without text is no piece, unless ids are asked for", async () => {
  const app = createApp({ engine: new HeldText() });
  const texts = async (body: object) => {
    const pieces = await events(await post(app, path, { ...asked, ...body, stream: true }));
    return pieces.slice(0, -1).map(({ choices }) => choices[0].text);
  };
  expect(await texts({})).toEqual(["a", "b", ""]);
  expect(await texts({ return_token_ids: true })).toEqual(["a", "", "b", ""]);
  const whole = await post(app, path, { ...asked, return_token_ids: true });
  expect((await whole.json()).choices[0]).toMatchObject({ text: "ab", token_ids: [5, 6, 7], prompt_token_ids: [] });
});

test("the usage so far comes with each piece where it is asked for, with include_usage alone", async () => {
  const usages = async (options: object) => {
    const body = { ...asked, max_tokens: 2, stream: true, stream_options: options };
    const pieces = await events(await post(start().app, path, body));
    return pieces
      .slice(0, -1)
      .map(({ usage }) => usage && [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
  };
  const both = { include_usage: true, continuous_usage_stats: true };
  expect(await usages(both)).toEqual([
    [2, 1, 3],
    [2, 2, 4],
    [2, 2, 4],
    [2, 2, 4],
  ]);
  expect(await usages({ include_usage: true })).toEqual([null, null, null, [2, 2, 4]]);
  expect(await usages({ include_usage: false })).toEqual([undefined, undefined, undefined]);
});
