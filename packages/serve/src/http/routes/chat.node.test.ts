import { describe, expect, test } from "vitest";
import { ServingError } from "../../api/api.ts";
import { events, post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import { createApp } from "../index.ts";

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "Say hello" }];
const chat = { model: "poet", messages };
const head = {
  id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
  created: expect.any(Number),
  model: "poet",
  system_fingerprint: expect.stringMatching(/^fp_[0-9a-f]{10}$/),
};
const usage = {
  prompt_tokens: 2,
  completion_tokens: 3,
  total_tokens: 5,
  prompt_tokens_details: { cached_tokens: 1 },
};

function start(options: ConstructorParameters<typeof ScriptedEngine>[0] = {}, limits = {}) {
  const engine = new ScriptedEngine({ adapters: ["poet"], ...options });
  return { engine, app: createApp({ engine, limits }) };
}

test("a chat is answered as OpenAI does", async () => {
  const { app, engine } = start();
  const response = await post(app, path, chat);
  expect(response.status).toBe(200);
  expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f]{32}$/);
  expect(await response.json()).toEqual({
    ...head,
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Hello there!", refusal: null },
        logprobs: null,
        finish_reason: "stop",
        stop_reason: null,
      },
    ],
    usage,
  });
  expect(engine.requests[0]).toMatchObject({
    adapter: "poet",
    tenant: "",
    prompt: { messages },
    sampling: { temperature: 1 },
  });
  expect(engine.running.size).toBe(0);
});

test("a chat in pieces has OpenAI's chunks, and its usage last", async () => {
  const { app } = start();
  const response = await post(app, path, { ...chat, stream: true, stream_options: { include_usage: true } });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const chunk = (delta: object, finish: string | null = null) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish, ...(finish && { stop_reason: null }) }],
    usage: null,
  });
  expect(await events(response)).toEqual([
    chunk({ role: "assistant", content: "", refusal: null }),
    chunk({ content: "Hello" }),
    chunk({ content: " there" }),
    chunk({ content: "!" }),
    chunk({}, "stop"),
    { ...head, object: "chat.completion.chunk", choices: [], usage },
    "[DONE]",
  ]);
});

test("without include_usage no chunk speaks of usage", async () => {
  const { app } = start();
  const found = await events(await post(app, path, { ...chat, stream: true }));
  for (const chunk of found.slice(0, -1)) expect(chunk).not.toHaveProperty("usage");
});

test("log-probabilities have the form of chats", async () => {
  const { app } = start({ words: ["é"] });
  const response = await post(app, path, { ...chat, logprobs: true, top_logprobs: 1 });
  const { choices } = await response.json();
  expect(choices[0].logprobs).toEqual({
    content: [
      { token: "é", logprob: -0.25, bytes: [195, 169], top_logprobs: [{ token: "a", logprob: -1, bytes: [97] }] },
    ],
    refusal: null,
  });
  const found = await events(await post(app, path, { ...chat, logprobs: true, stream: true }));
  expect(found[1].choices[0].logprobs.content[0]).toMatchObject({ token: "é", top_logprobs: [] });
});

test("n gives choices with seeds of their own, and counts the prompt once", async () => {
  const { app, engine } = start();
  const response = await post(app, path, { ...chat, n: 3, seed: 7 });
  const { choices, usage } = await response.json();
  expect(choices.map(({ index }: { index: number }) => index)).toEqual([0, 1, 2]);
  expect(usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 9 });
  expect(engine.requests.map(({ sampling }) => sampling.seed)).toEqual([7, 8, 9]);
});

test("settings reach the engine by its names", async () => {
  const { app, engine } = start();
  const settings = { temperature: 0.5, top_p: 0.9, top_k: -1, min_p: 0.1, repetition_penalty: 1.1 };
  const penalties = { frequency_penalty: 0.2, presence_penalty: -0.2, logit_bias: { 5: -100 } };
  const others = { stop: "END", max_completion_tokens: 9, max_tokens: 4, ignore_eos: true, user: "me", seed: null };
  const content = [
    { type: "text", text: "Say " },
    { type: "text", text: "hello" },
  ];
  const sent = [
    { role: "developer", content: "Be brief" },
    { role: "user", content },
  ];
  const response = await post(app, path, { ...chat, ...settings, ...penalties, ...others, messages: sent });
  expect(response.status).toBe(200);
  expect(engine.requests[0]).toMatchObject({
    prompt: { messages: [{ role: "system", content: "Be brief" }, messages[0]] },
    maxNewTokens: 9,
    stop: ["END"],
    ignoreEos: true,
    sampling: {
      temperature: 0.5,
      topP: 0.9,
      topK: 0,
      minP: 0.1,
      seed: undefined,
      repetitionPenalty: 1.1,
      frequencyPenalty: 0.2,
      presencePenalty: -0.2,
      logitBias: { 5: -100 },
    },
  });
});

describe("is refused, by name", () => {
  const tool = { type: "function", function: { name: "f" } };
  const image = [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }];
  test.each([
    ["tools", { tools: [tool] }, "tools", "unsupported_parameter"],
    ["functions", { functions: [{ name: "f" }] }, "functions", "unsupported_parameter"],
    ["JSON", { response_format: { type: "json_object" } }, "response_format", "unsupported_parameter"],
    ["audio", { modalities: ["text", "audio"] }, "modalities", "unsupported_parameter"],
    ["an image", { messages: image }, "messages[0].content[0]", "unsupported_parameter"],
    ["a tool's message", { messages: [{ role: "tool", content: "x" }] }, "messages[0].role", "unsupported_parameter"],
    ["best_of", { best_of: 2 }, "best_of", "unsupported_parameter"],
    ["an unknown field", { temprature: 1 }, "temprature", "unknown_parameter"],
    ["a role", { messages: [{ role: "king", content: "x" }] }, "messages[0].role", "invalid_value"],
    ["no message", { messages: [] }, "messages", "invalid_value"],
    ["no list", { messages: undefined }, "messages", "missing_required_parameter"],
    ["no model", { model: undefined }, "model", "missing_required_parameter"],
    ["five stops", { stop: ["a", "b", "c", "d", "e"] }, "stop", "invalid_value"],
    ["a temperature", { temperature: 3 }, "temperature", "invalid_value"],
    ["a text as a number", { temperature: "1" }, "temperature", "invalid_value"],
    ["a bias", { logit_bias: { 5: 200 } }, "logit_bias.5", "invalid_value"],
    ["a bias of no token", { logit_bias: { x: 1 } }, "logit_bias.x", "invalid_value"],
    ["top_logprobs alone", { top_logprobs: 2 }, "top_logprobs", "invalid_value"],
    ["too many choices", { n: 99 }, "n", "invalid_value"],
    ["no token", { max_tokens: 0 }, "max_tokens", "invalid_value"],
  ])("%s", async (_, fields, param, code) => {
    const { app, engine } = start();
    const response = await post(app, path, { ...chat, ...fields });
    expect(response.status).toBe(400);
    const { error } = await response.json();
    expect(error).toEqual({ message: expect.any(String), type: "invalid_request_error", param, code });
    expect(engine.requests).toEqual([]);
  });

  test.each([
    ["no JSON", "{", 400, "could not parse"],
    ["no object", "[1]", 400, "must be a JSON object"],
    ["bytes that are no text", new Uint8Array([0x7b, 0xff]), 400, "could not parse"],
  ])("%s", async (_, body, status, message) => {
    const { app } = start();
    const headers = { "content-type": "application/json" };
    const response = await app.request(path, { method: "POST", headers, body });
    expect(response.status).toBe(status);
    expect((await response.json()).error.message).toContain(message);
  });

  test("another type of body", async () => {
    const { app } = start();
    const response = await app.request(path, { method: "POST", body: JSON.stringify(chat) });
    expect(response.status).toBe(415);
  });
});

test.each([
  ["not_found", 404, "invalid_request_error", "model_not_found", null],
  ["invalid_request", 400, "invalid_request_error", "invalid_value", null],
  ["context_length_exceeded", 400, "invalid_request_error", "context_length_exceeded", null],
  ["forbidden", 404, "invalid_request_error", "model_not_found", null],
  ["queue_full", 429, "rate_limit_error", "rate_limit_exceeded", "1"],
  ["draining", 503, "server_error", "draining", "5"],
  ["adapter_refused", 400, "invalid_request_error", "adapter_refused", null],
  ["unavailable", 503, "server_error", "unavailable", "5"],
  ["timeout", 504, "server_error", "timeout", null],
] as const)("the engine's %s is status %i", async (code, status, type, told, retryAfter) => {
  const { app } = start({ failure: new ServingError(code, "a reason", "model") });
  const response = await post(app, path, { ...chat, stream: true });
  expect(response.status).toBe(status);
  expect(response.headers.get("retry-after")).toBe(retryAfter);
  const message = status === 404 ? "The model `poet` does not exist." : "a reason";
  expect(await response.json()).toEqual({ error: { message, type, param: "model", code: told } });
});

test.each(["not_found", "forbidden", "invalid_request"] as const)(
  "a name that the store answers by %s is an unknown model: paths and other tenants are not told",
  async (code) => {
    const { app } = start({ failure: new ServingError(code, "leads out of /srv/adapters", "lora_path") });
    const response = await post(app, path, chat);
    expect(response.status).toBe(404);
    expect((await response.json()).error.message).toBe("The model `poet` does not exist.");
  },
);

test("an adapter that is refused is the fault of the model that was named", async () => {
  const { app } = start({ failure: new ServingError("adapter_refused", "it has NaN", "lora_path") });
  const { error } = await (await post(app, path, chat)).json();
  expect(error).toMatchObject({ message: "it has NaN", param: "model", code: "adapter_refused" });
});

test("a time of weeks is not over at once", async () => {
  const app = createApp({
    engine: new ScriptedEngine({ adapters: ["poet"], delay: 5 }),
    limits: { requestSeconds: 1e7 },
  });
  expect((await post(app, path, chat)).status).toBe(200);
});

test("lists in lists are refused as any other value", async () => {
  const { app } = start();
  const deep = `${"[".repeat(7900)}${"]".repeat(7900)}`;
  const body = `${JSON.stringify(chat).slice(0, -1)}, "modalities": ${deep}}`;
  const headers = { "content-type": "application/json" };
  const response = await app.request(path, { method: "POST", headers, body });
  expect([response.status, (await response.json()).error.param]).toEqual([400, "modalities"]);
});

test("an unknown model is answered in vLLM's words", async () => {
  const { app } = start();
  const response = await post(app, path, { ...chat, model: "nobody" });
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual({
    error: {
      message: "The model `nobody` does not exist.",
      type: "invalid_request_error",
      param: "model",
      code: "model_not_found",
    },
  });
});

test("a fault of the server says nothing of its inside, and is logged", async () => {
  const lines: object[] = [];
  const logger = { info: () => {}, warn: () => {}, error: (fields: object) => void lines.push(fields) };
  const engine = new ScriptedEngine({ adapters: ["poet"], failure: new Error("secret path /home/x") });
  const response = await post(createApp({ engine, logger }), path, chat);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("secret");
  await expect.poll(() => lines).toEqual([expect.objectContaining({ status: 500, err: expect.any(Error) })]);
});

test("a failure in the midst of an answer is its last event", async () => {
  const error = new ServingError("unavailable", "the Worker has ended");
  const { app, engine } = start({ failsAfter: { words: 1, error } });
  const found = await events(await post(app, path, { ...chat, stream: true }));
  expect(found.slice(-2)).toEqual([
    { error: { message: "the Worker has ended", type: "server_error", param: null, code: "unavailable" } },
    "[DONE]",
  ]);
  expect(engine.running.size).toBe(0);
});

test("a model without a chat template takes completions alone", async () => {
  const { app } = start({ hasChatTemplate: false });
  const response = await post(app, path, chat);
  expect(response.status).toBe(400);
  expect((await response.json()).error.message).toContain("/v1/completions");
});

test("one sequence more than the queue holds is 429, until one has ended", async () => {
  const { app } = start({ delay: 20 }, { pending: 2 });
  const running = post(app, path, { ...chat, n: 2 });
  await expect.poll(async () => (await post(app, path, chat)).status).toBe(429);
  const refused = await post(app, path, chat);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect((await running).status).toBe(200);
  expect((await post(app, path, chat)).status).toBe(200);
});

test("a request that takes too long is ended, before and after its answer has begun", async () => {
  const { app, engine } = start({ delay: 60_000 }, { requestSeconds: 0.05 });
  const whole = await post(app, path, chat);
  expect(whole.status).toBe(504);
  const found = await events(await post(app, path, { ...chat, stream: true }));
  expect(found.at(-2).error.code).toBe("timeout");
  expect(engine.running.size).toBe(0);
});

test("a prompt beyond the limit is refused, and its place is free again", async () => {
  const { app, engine } = start({}, { promptTokens: 1, pending: 1 });
  const response = await post(app, path, chat);
  expect(response.status).toBe(400);
  expect((await response.json()).error.code).toBe("context_length_exceeded");
  expect(engine.running.size).toBe(0);
  expect((await post(app, path, chat)).status).toBe(400);
});
