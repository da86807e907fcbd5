import { describe, expect, test } from "vitest";
import { events, post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import { createApp } from "../index.ts";

const chatPath = "/v1/chat/completions";
const path = "/v1/completions";
const messages = [{ role: "user", content: "Say hello" }];
const chat = { model: "test-base", messages };
const completion = { model: "test-base", prompt: "Once upon" };

function start(limits = {}) {
  const engine = new ScriptedEngine();
  const app = createApp({ engine, limits });
  const answer = async (at: string, body: object) => {
    const response = await post(app, at, body);
    const found = await response.json();
    if (response.status !== 200) return { status: response.status, ...found.error };
    return { status: 200, ...found };
  };
  return { engine, app, answer };
}

const tools = [{ type: "function", function: { name: "f", parameters: {} } }];

describe("fields that OpenAI accepts", () => {
  test.each([
    ["store", { store: true }],
    ["tools that may not be called", { tools, tool_choice: "none", parallel_tool_calls: false }],
    ["functions that may not be called", { functions: [{ name: "f" }], function_call: "none" }],
    ["obfuscation", { stream_options: { include_obfuscation: false, include_usage: true } }],
    ["user and metadata", { user: "me", metadata: { a: "b" } }],
  ])("%s change no answer", async (_, fields) => {
    const { answer } = start();
    const found = await answer(chatPath, { ...chat, ...fields });
    expect(found).toMatchObject({ status: 200, choices: [{ message: { content: "Hello there!" } }] });
  });

  test("tools that may be called are refused by name", async () => {
    const { answer } = start();
    for (const choice of [undefined, "auto", "required"]) {
      const found = await answer(chatPath, { ...chat, tools, tool_choice: choice });
      expect(found).toMatchObject({ status: 400, param: "tools", code: "unsupported_parameter" });
    }
  });

  test("a message may have a name, and an assistant's no text", async () => {
    const { answer, engine } = start();
    const sent = [
      { role: "user", content: "Hi", name: "ann" },
      { role: "assistant", content: null, tool_calls: [], refusal: null },
      { role: "assistant" },
      { role: "user", content: "Say hello", name: null },
    ];
    expect(await answer(chatPath, { ...chat, messages: sent })).toMatchObject({ status: 200 });
    expect(engine.requests[0].prompt).toMatchObject({
      messages: [
        { role: "user", content: "Hi", name: "ann" },
        { role: "assistant", content: "" },
        { role: "assistant", content: "" },
        { role: "user", content: "Say hello" },
      ],
    });
    for (const wrong of [
      { role: "user", content: null },
      { role: "system" },
      { ...messages[0], name: "x".repeat(65) },
    ]) {
      expect(await answer(chatPath, { ...chat, messages: [wrong] })).toMatchObject({ status: 400 });
    }
  });

  test("reasoning_effort is a variable of the template", async () => {
    const { answer, engine } = start();
    await answer(chatPath, { ...chat, reasoning_effort: "low", chat_template_kwargs: { enable_thinking: false } });
    expect(engine.requests[0].prompt).toMatchObject({
      templateVariables: { reasoning_effort: "low", enable_thinking: false },
    });
    expect(await answer(chatPath, { ...chat, reasoning_effort: "huge" })).toMatchObject({ status: 400 });
  });

  test("n may be up to 128 if the server's limit allows it", async () => {
    const wide = start({ sequences: 200 });
    expect((await wide.answer(chatPath, { ...chat, n: 128 })).choices.length).toBe(128);
    expect(await wide.answer(chatPath, { ...chat, n: 129 })).toMatchObject({ status: 400, param: "n" });
    const found = await start().answer(chatPath, { ...chat, n: 17 });
    expect(found).toMatchObject({ status: 400, param: "n", code: "invalid_value" });
    expect(found.message).toBe(
      "The request needs 17 sequences: its prompts times n. This server's limit is 16 for a request; ask for fewer.",
    );
  });
});

describe("vLLM's fields that no answer here depends on", () => {
  const neutral = { return_tokens_as_token_ids: false, detokenize: true, length_penalty: 1 };

  test.each([
    [chatPath, chat],
    [path, completion],
  ])("%s takes them with their defaults", async (at, body) => {
    const none = { structured_outputs: null, cache_salt: null, request_id: null };
    expect(await start().answer(at, { ...body, ...neutral, ...none })).toMatchObject({ status: 200 });
  });

  test.each([
    ["structured_outputs", { choice: ["yes", "no"] }],
    ["return_tokens_as_token_ids", true],
    ["detokenize", false],
    ["length_penalty", 0.5],
    ["cache_salt", "mine"],
    ["request_id", "mine"],
    ["guided_grammar", "root ::= x"],
  ])("%s is refused by name with another value", async (name, value) => {
    for (const [at, body] of [
      [chatPath, chat],
      [path, completion],
    ] as const) {
      const found = await start().answer(at, { ...body, [name]: value });
      expect(found).toMatchObject({ status: 400, param: name, code: "unsupported_parameter" });
      expect(found.message).toContain(name);
    }
  });
});

describe("vLLM's fields", () => {
  const fields = {
    ...{ min_tokens: 2, stop_token_ids: [5], include_stop_str_in_output: true, skip_special_tokens: false },
    ...{ bad_words: ["no"], allowed_token_ids: [1, 2], truncate_prompt_tokens: 9, truncation_side: "right" },
    ...{ priority: -3, add_special_tokens: false, spaces_between_special_tokens: false },
  };
  const wanted = {
    ...{ minTokens: 2, stopTokenIds: [5], includeStop: true, skipSpecialTokens: false },
    ...{ sampling: { badWords: ["no"], allowedTokenIds: [1, 2] }, truncatePromptTokens: 9, truncationSide: "right" },
    priority: -3,
  };

  test("reach the engine, of chats and of completions", async () => {
    const { answer, engine } = start();
    expect(await answer(chatPath, { ...chat, ...fields })).toMatchObject({ status: 200 });
    expect(await answer(path, { ...completion, ...fields })).toMatchObject({ status: 200 });
    expect(engine.requests[0]).toMatchObject({ ...wanted, prompt: { messages, addSpecialTokens: false } });
    expect(engine.requests[1]).toMatchObject({ ...wanted, prompt: { text: "Once upon", addSpecialTokens: false } });
  });

  test.each([
    ["min_tokens", -1],
    ["stop_token_ids", ["5"]],
    ["bad_words", [""]],
    ["allowed_token_ids", []],
    ["prompt_logprobs", -2],
    ["truncate_prompt_tokens", -2],
    ["truncation_side", "middle"],
    ["priority", 0.5],
    ["skip_special_tokens", "yes"],
    ["return_token_ids", 1],
  ])("%s is refused with a wrong value", async (name, value) => {
    const { answer } = start();
    const found = await answer(path, { ...completion, [name]: value });
    expect(found).toMatchObject({ status: 400, code: "invalid_value" });
    expect(found.param).toMatch(new RegExp(`^${name}`));
  });

  test("the last message is continued if requested", async () => {
    const { answer, engine } = start();
    const body = { ...chat, continue_final_message: true, add_generation_prompt: false };
    await answer(chatPath, body);
    expect(engine.requests[0].prompt).toMatchObject({ continueFinalMessage: true, addGenerationPrompt: false });
    const asked: unknown[] = [];
    engine.tokenize = async (prompt) => {
      asked.push(prompt);
      return [1];
    };
    await answer("/tokenize", { messages, continue_final_message: true, chat_template_kwargs: { a: 1 } });
    await answer("/tokenize", { prompt: "a", add_special_tokens: false });
    expect(asked).toEqual([
      expect.objectContaining({ messages, continueFinalMessage: true, templateVariables: { a: 1 } }),
      { text: "a", addSpecialTokens: false },
    ]);
  });

  test("stop_reason names the stop text", async () => {
    const { answer } = start();
    expect((await answer(chatPath, { ...chat, stop: "END" })).choices[0].stop_reason).toBe("END");
    expect((await answer(path, { ...completion, max_tokens: 1 })).choices[0].stop_reason).toBe(null);
  });
});

const entry = (token: number, rank: number, logprob: number, text: string) => {
  return [String(token), { logprob, rank, decoded_token: text }];
};
const promptLogprobs = [
  null,
  Object.fromEntries([entry(10, 1, -1, "a"), entry(11, 2, -2, "b"), entry(1, 7, -0.25, " upon")]),
];

describe("prompt_logprobs", () => {
  test("have vLLM's form, in each choice of completions and at the top of chats", async () => {
    const { answer, engine } = start();
    const found = await answer(path, { ...completion, n: 2, prompt_logprobs: 2 });
    expect(found.choices.map((choice: object) => choice)).toMatchObject([
      { text: "Hello there!", logprobs: null, prompt_logprobs: promptLogprobs },
      { text: "Hello there!", logprobs: null, prompt_logprobs: promptLogprobs },
    ]);
    const inChat = await answer(chatPath, {
      ...chat,
      messages: [{ role: "user", content: "Once upon" }],
      prompt_logprobs: 2,
      n: 2,
    });
    expect(inChat.prompt_logprobs).toEqual(promptLogprobs);
    expect(inChat.choices[0].message.content).toBe("Hello there!");
    expect(engine.requests.map((request) => request.promptLogprobs)).toEqual([2, 2, 2, undefined]);
  });

  test("are separate from echo and logprobs", async () => {
    const { answer } = start();
    const { choices } = await answer(path, {
      ...completion,
      prompt_logprobs: 2,
      logprobs: 1,
      echo: true,
      max_tokens: 1,
    });
    expect(choices[0].text).toBe("Once uponHello");
    expect(choices[0].logprobs.top_logprobs[1]).toEqual({ a: -1, " upon": -0.25 });
    expect(choices[0].prompt_logprobs).toEqual(promptLogprobs);
  });

  test("are refused in a stream", async () => {
    const { answer } = start();
    const found = await answer(path, { ...completion, prompt_logprobs: 1, stream: true });
    expect(found).toMatchObject({ status: 400, param: "prompt_logprobs" });
  });
});

describe("return_token_ids", () => {
  test("gives the ids of prompt and answer", async () => {
    const { answer } = start();
    const whole = await answer(chatPath, { ...chat, return_token_ids: true, n: 2 });
    expect(whole.prompt_token_ids).toEqual([0, 1]);
    expect(whole.choices.map(({ token_ids }: { token_ids: number[] }) => token_ids)).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    const { choices } = await answer(path, { ...completion, return_token_ids: true, echo: true });
    expect(choices[0]).toMatchObject({ text: "Once uponHello there!", prompt_token_ids: [0, 1], token_ids: [0, 1, 2] });
    expect((await answer(path, completion)).choices[0]).not.toHaveProperty("token_ids");
  });

  test("streams them: the prompt's ids in the first chunk, then the ids of each chunk", async () => {
    const { app } = start();
    const asked = { return_token_ids: true, stream: true };
    const ofChat = await events(await post(app, chatPath, { ...chat, ...asked }));
    expect(ofChat.slice(0, 5).map((chunk) => chunk.prompt_token_ids)).toEqual([[0, 1], ...Array(4).fill(undefined)]);
    expect(ofChat.slice(0, 5).map((chunk) => chunk.choices[0].token_ids)).toEqual([
      undefined,
      [0],
      [1],
      [2],
      undefined,
    ]);
    const found = await events(await post(app, path, { ...completion, ...asked }));
    const ids = found.slice(0, 4).map((chunk) => [chunk.choices[0].prompt_token_ids, chunk.choices[0].token_ids]);
    expect(ids).toEqual([
      [[0, 1], [0]],
      [undefined, [1]],
      [undefined, [2]],
      [undefined, undefined],
    ]);
  });
});

test("with continuous_usage_stats every chunk has the usage of its choice so far", async () => {
  const { app } = start();
  const options = { include_usage: true, continuous_usage_stats: true };
  const asked = { ...completion, n: 2, stream: true, stream_options: options };
  const found = (await events(await post(app, path, asked))).slice(0, -1);
  const counts = (index: number) => {
    const own = found.filter(({ choices }) => choices[0]?.index === index);
    return own.map(({ usage }) => [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
  };
  const growing = [1, 2, 3, 3].map((tokens) => [2, tokens, 2 + tokens]);
  expect([counts(0), counts(1)]).toEqual([growing, growing]);
  expect(found.at(-1).usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 6, total_tokens: 8 });
  const alone = { ...asked, stream_options: { continuous_usage_stats: true } };
  for (const chunk of (await events(await post(app, path, alone))).slice(0, -1)) {
    expect(chunk).not.toHaveProperty("usage");
  }
});
