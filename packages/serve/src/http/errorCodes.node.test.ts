import { init, reference } from "@lowrank/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServingEngine } from "../api/api.ts";
import { createEngine } from "../engine/createEngine.ts";
import { post } from "../testing/post.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import type { ServingApp } from "./app/appContext.ts";
import { createApp } from "./createApp.ts";

const path = "/v1/completions";
let engine: ServingEngine;
let app: ServingApp;

beforeAll(async () => {
  await init(reference());
  engine = await createEngine({ model: tinyLlama(), tokenizer: tinyTokenizer(), servedModelName: "tiny" });
  app = createApp({ engine });
});

afterAll(() => engine.close());

async function refusal(body: object) {
  const response = await post(app, path, { model: "tiny", prompt: "hello", ...body });
  return { status: response.status, ...(await response.json()).error };
}

const huge = 10 ** 15;

test.each([
  [{ min_tokens: 12, max_tokens: 4 }, "invalid_value", "min_tokens"],
  [{ allowed_token_ids: [5000] }, "invalid_value", "allowed_token_ids"],
  [{ stop_token_ids: [5000] }, "invalid_value", "stop_token_ids"],
  [{ logit_bias: { 5000: 1 } }, "invalid_value", "logit_bias"],
  [{ prompt: "" }, "invalid_value", "prompt"],
  [{ prompt: [5000] }, "invalid_value", "prompt"],
  [{ max_tokens: 0 }, "invalid_value", "max_tokens"],
  [{ prompt_logprobs: -1 }, "invalid_value", "prompt_logprobs"],
  [{ truncate_prompt_tokens: 10 ** 6 }, "invalid_value", "truncate_prompt_tokens"],
  [{ max_tokens: huge }, "context_length_exceeded", "max_tokens"],
  [{ max_tokens: huge, truncate_prompt_tokens: -1 }, "context_length_exceeded", "max_tokens"],
  [{ prompt: "hello ".repeat(2000) }, "context_length_exceeded", "prompt"],
])("%j is a 400 with the code %s that names %s", async (body, code, param) => {
  expect(await refusal(body)).toMatchObject({ status: 400, code, param });
});

test.each([
  [{ min_tokens: 12, max_tokens: 4 }, "min_tokens is 12; expected a whole number from 0 to max_tokens, which is 4"],
  [{ prompt_logprobs: -1 }, "prompt_logprobs is -1, all 98 tokens of the vocabulary; the limit is 20; ask for 0 to 20"],
  [
    { max_tokens: huge, truncate_prompt_tokens: -1 },
    `this model's maximum context length is 64 tokens, and ${huge} new ones leave no space for a prompt; ask for fewer`,
  ],
])("%j: the text names the value that was sent and the limit", async (body, message) => {
  expect(await refusal(body)).toMatchObject({ message });
});

test.each([
  ["broken JSON", "{", "application/json", 400, "invalid_json"],
  ["a list", "[]", "application/json", 400, "invalid_json"],
  ["another media type", "{}", "text/plain", 415, "unsupported_media_type"],
])("a body with %s has a code", async (_, body, type, status, code) => {
  const response = await app.request(path, { method: "POST", headers: { "content-type": type }, body });
  expect(response.status).toBe(status);
  expect((await response.json()).error.code).toBe(code);
});

test.each([
  ["GET", "/v1/completions", "POST"],
  ["HEAD", "/tokenize", "POST"],
  ["DELETE", "/ping", "HEAD, GET, POST"],
  ["POST", "/v1/models/org/poet", "HEAD, GET"],
  ["PUT", "/health", "HEAD, GET"],
])("%s %s answers 405 with the methods that the path has", async (method, at, allow) => {
  const response = await app.request(at, { method });
  expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
  if (method !== "HEAD") expect((await response.json()).error.code).toBe("method_not_supported");
});

test("a path without routes stays a 404", async () => {
  const response = await app.request("/v1/nothing", { method: "POST" });
  expect([response.status, response.headers.get("allow")]).toEqual([404, null]);
  expect((await response.json()).error.code).toBe("unknown_url");
});

test.each([
  [{ stop: "" }, "Invalid 'stop': it has 0 characters; expected at least 1."],
  [{ stop: ["a", "b", "c", "d", "e"] }, "Invalid 'stop': it has 5 items; expected at most 4."],
  [{ temperature: 3 }, "Invalid 'temperature': it is 3; expected at most 2."],
  [{ top_p: 0 }, "Invalid 'top_p': it is 0; expected above 0."],
  [{ stop_token_ids: [4, -1] }, "Invalid 'stop_token_ids[1]': it is -1; expected at least 0."],
])("%j: the text has the value and the limit", async (body, message) => {
  expect(await refusal(body)).toMatchObject({ message, code: "invalid_value" });
});
