import { expect, test } from "vitest";
import { events, post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import { createApp } from "../index.ts";

const path = "/v1/completions";
const asked = { model: "test-base", prompt: "Once upon" };
const head = {
  id: expect.stringMatching(/^cmpl-[0-9a-f]{32}$/),
  object: "text_completion",
  created: expect.any(Number),
  model: "test-base",
  system_fingerprint: expect.stringMatching(/^fp_[0-9a-f]{10}$/),
};
const usage = {
  prompt_tokens: 2,
  completion_tokens: 3,
  total_tokens: 5,
  prompt_tokens_details: { cached_tokens: 1 },
};

function start() {
  const engine = new ScriptedEngine();
  return { engine, app: createApp({ engine }) };
}

test("a completion is answered as OpenAI does", async () => {
  const { app, engine } = start();
  const response = await post(app, path, asked);
  expect(await response.json()).toEqual({
    ...head,
    choices: [{ index: 0, text: "Hello there!", logprobs: null, finish_reason: "stop", stop_reason: null }],
    usage,
  });
  expect(engine.requests[0]).toMatchObject({ adapter: null, prompt: { text: "Once upon" }, maxNewTokens: 16 });
});

test("a completion in pieces has OpenAI's chunks", async () => {
  const { app } = start();
  const response = await post(app, path, {
    ...asked,
    max_tokens: 2,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunk = (text: string, finish: string | null = null) => {
    const ended = finish && { stop_reason: null };
    return { ...head, choices: [{ index: 0, text, logprobs: null, finish_reason: finish, ...ended }], usage: null };
  };
  expect(await events(response)).toEqual([
    chunk("Hello"),
    chunk(" there"),
    chunk("", "length"),
    { ...head, choices: [], usage: { ...usage, completion_tokens: 2, total_tokens: 4 } },
    "[DONE]",
  ]);
});

test("prompts may be texts or token ids, one or several, each with n choices", async () => {
  const { app, engine } = start();
  const prompts = async (prompt: unknown, n?: number) => {
    engine.requests.length = 0;
    const response = await post(app, path, { ...asked, prompt, n });
    const { choices } = await response.json();
    expect(choices.map(({ index }: { index: number }) => index)).toEqual([...engine.requests.keys()]);
    return engine.requests.map((request) => request.prompt);
  };
  expect(await prompts(["a", "b"], 2)).toEqual([{ text: "a" }, { text: "a" }, { text: "b" }, { text: "b" }]);
  expect(await prompts([1, 2])).toEqual([{ tokens: [1, 2] }]);
  expect(await prompts([[1, 2], [3]])).toEqual([{ tokens: [1, 2] }, { tokens: [3] }]);
  const { usage } = await (await post(app, path, { ...asked, prompt: ["a b", "c"], n: 2 })).json();
  expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 12, prompt_tokens_details: { cached_tokens: 2 } });
});

test("echo and logprobs have the form of completions", async () => {
  const { app } = start();
  const response = await post(app, path, { ...asked, echo: true, logprobs: 1, max_tokens: 1 });
  const { choices } = await response.json();
  const logprobs = {
    tokens: ["Once", " upon", "Hello"],
    token_logprobs: [null, -0.25, -0.25],
    top_logprobs: [null, { a: -1, " upon": -0.25 }, { a: -1, Hello: -0.25 }],
    text_offset: [0, 4, 9],
  };
  const ended = { finish_reason: "length", stop_reason: null };
  expect(choices).toEqual([{ index: 0, text: "Once uponHello", logprobs, ...ended }]);
  const streamed = await events(await post(app, path, { ...asked, logprobs: 0, stream: true }));
  expect(streamed.slice(0, 2).map(({ choices }) => choices[0].logprobs.text_offset)).toEqual([[0], [5]]);
});

test("echo alone may add no token", async () => {
  const { app, engine } = start();
  const response = await post(app, path, { ...asked, echo: true, max_tokens: 0 });
  expect((await response.json()).choices[0].text).toBe("Once upon");
  expect(engine.requests[0].maxNewTokens).toBe(0);
});

test.each([
  ["suffix", { suffix: "end" }, "suffix", "unsupported_parameter"],
  ["best_of", { best_of: 3 }, "best_of", "unsupported_parameter"],
  ["no prompt", { prompt: undefined }, "prompt", "invalid_value"],
  ["an empty list", { prompt: [] }, "prompt", "invalid_value"],
  ["a token below 0", { prompt: [-1] }, "prompt[0]", "invalid_value"],
  ["half a token", { prompt: [[1], [2, 0.5]] }, "prompt[1][1]", "invalid_value"],
  ["a list of both", { prompt: ["a", 1] }, "prompt[1]", "invalid_value"],
  ["an empty list in a list", { prompt: [[1], []] }, "prompt[1]", "invalid_value"],
  ["an object", { prompt: {} }, "prompt", "invalid_value"],
  ["many logprobs", { logprobs: 21 }, "logprobs", "invalid_value"],
  ["logprobs of chats", { logprobs: true }, "logprobs", "invalid_value"],
  ["a long stop", { stop: ["a".repeat(1001)] }, "stop[0]", "invalid_value"],
  ["an empty stop", { stop: "" }, "stop", "invalid_value"],
  ["a long name", { model: "a".repeat(1025) }, "model", "invalid_value"],
  ["no token without echo", { max_tokens: 0 }, "max_tokens", "invalid_value"],
  ["too many prompts", { prompt: Array.from({ length: 17 }, () => "a") }, "n", "invalid_value"],
])("%s is refused by name", async (_, fields, param, code) => {
  const { app, engine } = start();
  const response = await post(app, path, { ...asked, ...fields });
  expect(response.status).toBe(400);
  expect((await response.json()).error).toMatchObject({ param, code });
  expect(engine.requests).toEqual([]);
});

test("too many stops are told by their number, not by the types that a stop may have", async () => {
  const { app } = start();
  const response = await post(app, path, { ...asked, stop: ["a", "b", "c", "d", "e"] });
  expect((await response.json()).error.message).toBe("Invalid 'stop': it has 5 items; expected at most 4.");
});

test("a body that is coded is refused by its coding, and one that is as it is is taken", async () => {
  const { app } = start();
  const coded = await post(app, path, asked, { "content-encoding": "gzip" });
  expect(coded.status).toBe(415);
  expect((await coded.json()).error.message).toContain('content-encoding is "gzip"');
  expect((await post(app, path, asked, { "content-encoding": "identity" })).status).toBe(200);
});

test("fields behind __proto__ are unknown ones", async () => {
  const { app } = start();
  const body = '{"__proto__": {"prompt": "hidden", "echo": true}, "model": "test-base", "prompt": "a"}';
  const headers = { "content-type": "application/json" };
  const response = await app.request(path, { method: "POST", headers, body });
  expect(response.status).toBe(400);
  expect((await response.json()).error.param).toBe("__proto__");
});

test.each([
  ['{"logit_bias": {"__proto__": 1}}', "logit_bias.__proto__"],
  ['{"stream_options": {"__proto__": {"include_usage": true}}}', "stream_options.__proto__"],
  ['{"metadata": {"a": {"__proto__": 1}}}', "metadata.a.__proto__"],
  ['{"prompt": [{"__proto__": 1}]}', "prompt[0].__proto__"],
  ['{"logit_bias": {"constructor": 1}}', "logit_bias.constructor"],
  ['{"logit_bias": {"toString": 1}}', "logit_bias.toString"],
])("names of every object's own properties are unknown fields: %s", async (fields, param) => {
  const { app } = start();
  const body = `${JSON.stringify(asked).slice(0, -1)}, ${fields.slice(1)}`;
  const headers = { "content-type": "application/json" };
  const response = await app.request(path, { method: "POST", headers, body });
  expect(response.status).toBe(400);
  expect((await response.json()).error.param).toBe(param);
});

test.each([
  ["lists of ids", { prompt: Array(9000).fill([1]) }],
  ["items that do not fit", { prompt: Array(9000).fill(null) }],
  ["ids", { prompt: Array(90_000).fill(1) }],
  ["biases", { logit_bias: Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [i, 1])) }],
])("a body of very many %s is refused before it is looked at closely", async (_, fields) => {
  const { app } = start();
  const response = await post(app, path, { ...asked, ...fields });
  expect(response.status).toBe(400);
  expect((await response.json()).error.code).toBe("body_too_large");
});

test("a long prompt of token ids is taken", async () => {
  const { app, engine } = start();
  const prompt = Array(30_000).fill(7);
  expect((await post(app, path, { ...asked, prompt })).status).toBe(200);
  expect(engine.requests[0].prompt).toEqual({ tokens: prompt });
});

test("best_of as large as n asks for nothing more", async () => {
  const { app } = start();
  expect((await post(app, path, { ...asked, best_of: 1 })).status).toBe(200);
});
