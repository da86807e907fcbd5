import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServingError } from "../api/api.ts";
import { listening } from "../testing/listening.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";

const sha256 = createHash("sha256").update("sk-test").digest("hex");
const keys = [{ id: "tester", sha256 }];
const messages = [{ role: "user" as const, content: "Say hello" }];
const tools = [{ type: "function" as const, function: { name: "f", parameters: {} } }];
const engine = new ScriptedEngine({ adapters: ["poet"] });
let server: Awaited<ReturnType<typeof listening>>;
let baseURL: string;

beforeAll(async () => {
  server = await listening({ engine, keys });
  baseURL = `${server.url}/v1`;
});
afterAll(() => server.close());

describe("openai", () => {
  const client = (apiKey = "sk-test") => new OpenAI({ baseURL, apiKey, maxRetries: 0 });

  test("answers chats, with logprobs and n", async () => {
    const answer = await client().chat.completions.create({ model: "poet", messages, n: 2, logprobs: true });
    expect(answer.choices.map(({ message }) => message.content)).toEqual(["Hello there!", "Hello there!"]);
    expect(answer.choices[1].logprobs?.content?.map(({ token }) => token)).toEqual(["Hello", " there", "!"]);
    expect(answer.usage?.total_tokens).toBe(8);
    expect(answer._request_id).toMatch(/^[0-9a-f]{32}$/);
  });

  test("streams chats, by chunks and by its helper", async () => {
    const options = { include_usage: true };
    const stream = await client().chat.completions.create({
      model: "poet",
      messages,
      stream: true,
      stream_options: options,
    });
    const pieces: string[] = [];
    let tokens = 0;
    for await (const chunk of stream) {
      pieces.push(chunk.choices[0]?.delta.content ?? "");
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    expect(pieces.filter((piece) => piece !== "")).toEqual(["Hello", " there", "!"]);
    expect(tokens).toBe(3);
    const whole = await client().chat.completions.stream({ model: "poet", messages }).finalChatCompletion();
    expect(whole.choices[0]).toMatchObject({ message: { content: "Hello there!" }, finish_reason: "stop" });
  });

  test("completes, whole and in pieces", async () => {
    const asked = { model: "test-base", prompt: "Once", max_tokens: 2 };
    const answer = await client().completions.create(asked);
    expect(answer.choices[0]).toMatchObject({ text: "Hello there", finish_reason: "length" });
    let text = "";
    for await (const chunk of await client().completions.create({ ...asked, stream: true }))
      text += chunk.choices[0].text;
    expect(text).toBe("Hello there");
  });

  test("sends OpenAI's fields that change no answer, and its own request id", async () => {
    const answer = await client().chat.completions.create(
      {
        model: "poet",
        messages: [
          { role: "user", content: "Say", name: "ann" },
          { role: "assistant", content: null },
          { role: "user", content: "hello" },
        ],
        ...{ tools, tool_choice: "none", store: true, reasoning_effort: "low", user: "me", safety_identifier: "me" },
      },
      { headers: { "x-request-id": "my-request-1" } },
    );
    expect(answer.choices[0].message.content).toBe("Hello there!");
    expect([answer._request_id, answer.id]).toEqual(["my-request-1", "chatcmpl-my-request-1"]);
    expect(engine.requests.at(-1)?.prompt).toMatchObject({
      messages: [{ name: "ann" }, { content: "" }, { content: "hello" }],
      templateVariables: { reasoning_effort: "low" },
    });
    const many = client().chat.completions.create({ model: "poet", messages, n: 128 });
    await expect(many).rejects.toThrow("This server's limit is 16 for a request");
  });

  test("sends vLLM's fields with OpenAI's, and reads their answers", async () => {
    const extra = { min_tokens: 2, bad_words: ["no"], prompt_logprobs: 1, return_token_ids: true, priority: 1 };
    const asked = { model: "poet", prompt: "Once upon", max_tokens: 3, ...extra };
    const answer = await client().completions.create(asked);
    expect(answer.choices[0]).toMatchObject({ text: "Hello there!", token_ids: [0, 1, 2], prompt_token_ids: [0, 1] });
    expect(answer.choices[0]).toHaveProperty("prompt_logprobs.0", null);
    expect(engine.requests.at(-1)).toMatchObject({ minTokens: 2, sampling: { badWords: ["no"] }, priority: 1 });
    const options = { include_usage: true, continuous_usage_stats: true, include_obfuscation: false };
    const stream = await client().chat.completions.create({
      model: "poet",
      messages,
      stream: true,
      stream_options: options,
    });
    const counts: (number | undefined)[] = [];
    for await (const chunk of stream) counts.push(chunk.usage?.completion_tokens);
    expect(counts).toEqual([0, 1, 2, 3, 3, 3]);
  });

  test("lists and finds models", async () => {
    const found: string[] = [];
    for await (const model of client().models.list()) found.push(model.id);
    expect(found).toEqual(["test-base", "poet"]);
    expect((await client().models.retrieve("poet")).object).toBe("model");
  });

  test("makes embeddings, which it asks for as bytes", async () => {
    await using encoder = await listening({ engine: new ScriptedEngine({ task: "embed" }) });
    const client = new OpenAI({ baseURL: `${encoder.url}/v1`, apiKey: "any" });
    const { data } = await client.embeddings.create({ model: "test-base", input: ["ab", "abc"] });
    expect(data.map(({ embedding }) => embedding)).toEqual([
      [2, 0.5, -1],
      [3, 0.5, -1],
    ]);
  });

  test("throws its own types of errors", async () => {
    const create = (fields: object, key?: string) =>
      client(key).chat.completions.create({ model: "poet", messages, ...fields } as never);
    await expect(create({}, "sk-wrong")).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(create({ model: "nobody" })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const refused = await create({ tools }).then(
      () => null,
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(OpenAI.BadRequestError);
    expect(refused).toMatchObject({ code: "unsupported_parameter", param: "tools", type: "invalid_request_error" });
    await using full = await listening({
      engine: new ScriptedEngine({ failure: new ServingError("queue_full", "full") }),
    });
    const other = new OpenAI({ baseURL: `${full.url}/v1`, apiKey: "any", maxRetries: 0 });
    const asked = other.chat.completions.create({ model: "test-base", messages });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  });

  test("throws a failure that comes amid a stream", async () => {
    const failsAfter = { words: 1, error: new ServingError("unavailable", "the Worker has ended") };
    await using broken = await listening({ engine: new ScriptedEngine({ failsAfter }) });
    const client = new OpenAI({ baseURL: `${broken.url}/v1`, apiKey: "any" });
    const stream = await client.chat.completions.create({ model: "test-base", messages, stream: true });
    const read = async () => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toThrow("the Worker has ended");
  });
});

test("the AI SDK's provider answers and streams", async () => {
  const provider = createOpenAICompatible({ name: "lowrank", baseURL, apiKey: "sk-test", includeUsage: true });
  const { text, usage, finishReason } = await generateText({ model: provider("poet"), prompt: "Say hello" });
  expect({ text, finishReason, output: usage.outputTokens }).toEqual({
    text: "Hello there!",
    finishReason: "stop",
    output: 3,
  });
  const options = { reasoningEffort: "low", user: "me", min_tokens: 2, chat_template_kwargs: { mood: "calm" } };
  await generateText({
    ...{ model: provider("poet"), prompt: "Say hello", toolChoice: "none", providerOptions: { lowrank: options } },
    tools: { f: tool({ description: "f", inputSchema: jsonSchema({ type: "object", properties: {} }) }) },
    headers: { "x-request-id": "ai-sdk-1" },
  });
  expect(engine.requests.at(-1)).toMatchObject({
    id: "chatcmpl-ai-sdk-1-0",
    prompt: { templateVariables: { reasoning_effort: "low", mood: "calm" } },
    minTokens: 2,
  });
  const stream = streamText({ model: provider("poet"), prompt: "Say hello", seed: 3, topP: 0.9 });
  const pieces: string[] = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  expect(pieces).toEqual(["Hello", " there", "!"]);
  expect((await stream.usage).inputTokens).toBe(2);
});

test("LangChain's ChatOpenAI answers and streams", async () => {
  const model = new ChatOpenAI({
    model: "poet",
    apiKey: "sk-test",
    configuration: { baseURL },
    temperature: 0.5,
    stop: ["X"],
  });
  const answer = await model.invoke("Say hello");
  expect(answer.text).toBe("Hello there!");
  expect(answer.usage_metadata?.output_tokens).toBe(3);
  const pieces: string[] = [];
  for await (const chunk of await model.stream("Say hello")) pieces.push(chunk.text);
  const rich = new ChatOpenAI({
    ...{ model: "poet", apiKey: "sk-test", configuration: { baseURL, defaultHeaders: { "x-request-id": "chain-1" } } },
    modelKwargs: { min_tokens: 2, allowed_token_ids: [1, 2], chat_template_kwargs: { mood: "calm" } },
  });
  const history = [new HumanMessage({ content: "Say", name: "ann" }), new AIMessage(""), new HumanMessage("hello")];
  const bound = rich.bindTools(tools, { tool_choice: "none" });
  expect((await bound.invoke(history)).text).toBe("Hello there!");
  expect(engine.requests.at(-1)).toMatchObject({
    id: "chatcmpl-chain-1-0",
    prompt: { messages: [{ name: "ann" }, { content: "" }, {}], templateVariables: { mood: "calm" } },
    minTokens: 2,
    sampling: { allowedTokenIds: [1, 2] },
  });
  expect(pieces.join("")).toBe("Hello there!");
});

test("curl answers and streams", async () => {
  const curl = async (...args: string[]) => {
    const headers = ["-H", "Authorization: Bearer sk-test", "-H", "Content-Type: application/json"];
    return (await promisify(execFile)("curl", ["-sS", "-N", ...headers, ...args])).stdout;
  };
  const body = { model: "poet", messages };
  const answer = JSON.parse(await curl(`${baseURL}/chat/completions`, "-d", JSON.stringify(body)));
  expect(answer.choices[0].message.content).toBe("Hello there!");
  const stream = await curl(`${baseURL}/chat/completions`, "-d", JSON.stringify({ ...body, stream: true }));
  expect(stream.endsWith("data: [DONE]\n\n")).toBe(true);
});
