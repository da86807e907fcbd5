import type { z } from "@hono/zod-openapi";
import { describe, expect, test } from "vitest";
import { checkParts } from "../requests/checkBody.ts";
import { defaultLimits, timerMs } from "../requests/limits.ts";
import { jobBody, methodOf, ofJob } from "../routes/fineTuningBody.ts";
import { checkMessages, messagesField, messagesOf } from "./messages.ts";
import { samplingFields, samplingOf, stopsOf, unsupportedFields } from "./samplingFields.ts";
import { promptLogprobOf, vllmSettings } from "./vllmFields.ts";

const takes = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;
const long = (length: number) => "a".repeat(length);
const list = <T>(length: number, item: T): T[] => Array<T>(length).fill(item);

test.each<[keyof typeof samplingFields, readonly unknown[], readonly unknown[]]>([
  ["temperature", [0, 2], [-0.01, 2.01]],
  ["top_p", [0.01, 1], [0, 1.01]],
  ["frequency_penalty", [-2, 2], [-2.01, 2.01]],
  ["presence_penalty", [-2, 2], [-2.01, 2.01]],
  ["repetition_penalty", [0.01, 2], [0, 2.01]],
  ["logit_bias", [{ "5": -100 }, { "5": 100 }, {}], [{ "5": -100.1 }, { "5": 100.1 }, { "-1": 0 }, { a: 0 }]],
  ["seed", [0, -5], [0.5]],
  ["stop", ["a", long(1000), [], list(4, "a")], ["", long(1001), list(5, "a"), [""], 1]],
  ["n", [1, 128], [0, 129, 1.5]],
  ["max_tokens", [0, 9], [-1, 1.5]],
  ["top_k", [-1, 0, 5], [-2, 0.5]],
  ["min_p", [0, 1], [-0.01, 1.01]],
  ["min_tokens", [0, 9], [-1, 0.5]],
  ["stop_token_ids", [[], [0], list(1000, 1)], [[-1], [0.5], list(1001, 1)]],
  ["bad_words", [[], ["a"], [long(1000)], list(1000, "a")], [[""], [long(1001)], list(1001, "a")]],
  ["allowed_token_ids", [[0], [5]], [[], [-1]]],
  ["prompt_logprobs", [-1, 0, 5], [-2, 0.5]],
  ["truncate_prompt_tokens", [-1, 0, 5], [-2, 0.5]],
  ["truncation_side", ["left", "right"], ["middle"]],
  ["priority", [-5, 5], [0.5]],
])("%s takes %j, and not %j", (name, good, bad) => {
  const { [name]: schema } = samplingFields;
  expect(takes(schema, undefined)).toBe(true);
  expect(good.filter((value) => !takes(schema, value))).toEqual([]);
  expect(bad.filter((value) => takes(schema, value))).toEqual([]);
});

test.each<[string, readonly unknown[], readonly unknown[], object?]>([
  ["service_tier", ["auto", "default"], ["flex"]],
  ["tools", [[]], [[{}], {}]],
  ["tools", [[{}]], [], { tool_choice: "none" }],
  ["tools", [[{}]], [], { function_call: "none" }],
  ["tools", [], [[{}]], { tool_choice: "auto" }],
  ["functions", [[]], [[{}]]],
  ["functions", [[{}]], [], { function_call: "none" }],
  ["tool_choice", ["none", "auto"], ["required", {}]],
  ["function_call", ["none", "auto"], [{ name: "f" }]],
  ["response_format", [{ type: "text" }], [{ type: "json_object" }, "text"]],
  ["modalities", [["text"]], [["text", "audio"], ["audio"], [], "text"]],
  ["verbosity", ["medium"], ["low"]],
  ["suffix", [""], ["end"]],
  ["return_tokens_as_token_ids", [false], [true]],
  ["detokenize", [true], [false]],
  ["length_penalty", [1], [0, 2]],
  ["use_beam_search", [false], [true]],
  ["user", ["me", 1], []],
  ["audio", [], [{}, false]],
])("%s is as good as none for %j, and refused for %j", (name, harmless, refused, body = {}) => {
  const refusal = unsupportedFields[name];
  for (const value of harmless) expect(refusal(value, { ...body }), JSON.stringify(value)).toBe(null);
  for (const value of refused)
    expect(refusal(value, { ...body }), JSON.stringify(value)).toMatch(/not supported by this server/);
});

test("settings of sampling have the engine's names and values", () => {
  expect(samplingOf({}, 3)).toEqual({ temperature: 1 });
  expect(samplingOf({ top_k: -1 }, 0).topK).toBe(0);
  expect(samplingOf({ top_k: 1 }, 0).topK).toBe(1);
  expect([0, 1, 2].map((choice) => samplingOf({ seed: 5 }, choice).seed)).toEqual([5, 6, 7]);
  expect(samplingOf({ logit_bias: {} }, 0).logitBias).toBe(undefined);
  expect(samplingOf({ logit_bias: { 7: -1 }, temperature: 0 }, 0)).toEqual({ temperature: 0, logitBias: { 7: -1 } });
  expect([stopsOf({}), stopsOf({ stop: "a" }), stopsOf({ stop: ["a", "b"] })]).toEqual([undefined, ["a"], ["a", "b"]]);
  const refused = () => vllmSettings({ stream: true, prompt_logprobs: 0 });
  expect(refused).toThrow("prompt_logprobs are not available in a stream");
  expect(vllmSettings({ stream: false, prompt_logprobs: 0 }).promptLogprobs).toBe(0);
  expect(vllmSettings({ stream: true, min_tokens: 2 }).minTokens).toBe(2);
});

describe("messages", () => {
  const user = { role: "user", content: "a" };

  test("have a text, unless they are the assistant's", () => {
    expect(takes(messagesField, [user, { role: "assistant" }, { role: "assistant", content: null }])).toBe(true);
    expect(takes(messagesField, [{ ...user, name: long(64) }])).toBe(true);
    for (const wrong of [[], [{ role: "user" }], [{ ...user, name: long(65) }], [{ ...user, role: "robot" }]]) {
      expect(takes(messagesField, wrong), JSON.stringify(wrong)).toBe(false);
    }
  });

  test("become the engine's: a developer is the system, and parts are one text", () => {
    const parts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    expect(messagesOf([{ role: "developer", content: parts, name: "x" }, { role: "assistant" }])).toEqual([
      { role: "system", content: "ab", name: "x" },
      { role: "assistant", content: "" },
    ]);
    for (const part of [{ type: "image_url" }, { type: "text" }, { type: "image", text: "a" }]) {
      expect(() => messagesOf([{ role: "user", content: [parts[0], part] }])).toThrow(
        expect.objectContaining({ param: "messages[0].content[1]" }),
      );
    }
  });

  test("of tools are refused, and empty fields are dropped", () => {
    const dropped = { messages: [{ ...user, name: null, tool_calls: [], audio: null, refusal: null }] };
    checkMessages(dropped);
    expect(dropped).toEqual({ messages: [user] });
    for (const [message, param] of [
      [{ role: "tool", content: "a" }, "messages[1].role"],
      [{ role: "function", content: "a" }, "messages[1].role"],
      [{ ...user, tool_calls: [{}] }, "messages[1].tool_calls"],
      [{ ...user, refusal: "no" }, "messages[1].refusal"],
      [{ ...user, audio: {} }, "messages[1].audio"],
    ] as const) {
      expect(() => checkMessages({ messages: [user, message] }), param).toThrow(expect.objectContaining({ param }));
    }
    for (const raw of [null, undefined, {}, { messages: "x" }, { messages: [null] }]) checkMessages(raw);
  });
});

describe("an order of a fine-tune", () => {
  const order = { model: "m", training_file: "f" };
  const accepts = (more: object) => takes(jobBody, { ...order, ...more });
  const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
  const parameters = (hyperparameters: object, type = "supervised") => ({
    method: { type, [type]: { hyperparameters } },
  });

  test.each<[string, readonly object[], readonly object[]]>([
    ["files", [{ training_file: long(100) }], [{ training_file: long(101) }, { validation_file: long(101) }]],
    ["seed", [{ seed: 0 }, { seed: 0xffffffff }], [{ seed: -1 }, { seed: 2 ** 32 }, { seed: 0.5 }]],
    [
      "suffix",
      [{ suffix: long(64) }, { suffix: "a.b-c_1" }],
      [{ suffix: long(65) }, { suffix: "" }, { suffix: "a b" }],
    ],
    [
      "metadata",
      [{ metadata: pairs(16) }, { metadata: { [long(64)]: long(512) } }],
      [{ metadata: pairs(17) }, { metadata: { [long(65)]: "v" } }, { metadata: { k: long(513) } }],
    ],
    [
      "priority",
      [{ lowrank: { priority: 0 } }, { lowrank: { priority: 100 } }],
      [{ lowrank: { priority: -1 } }, { lowrank: { priority: 101 } }],
    ],
    [
      "hyperparameters",
      [
        ...[{ batch_size: 1 }, { batch_size: 256 }, { n_epochs: 1 }, { n_epochs: 50 }, { n_epochs: "auto" }].map(
          (one) => parameters(one),
        ),
        ...[
          parameters({ learning_rate_multiplier: 0.1 }),
          parameters({ beta: 2 }, "dpo"),
          parameters({ beta: 0.1 }, "dpo"),
        ],
      ],
      [
        ...[{ batch_size: 0 }, { batch_size: 257 }, { n_epochs: 0 }, { n_epochs: 51 }, { beta: 1 }].map((one) =>
          parameters(one),
        ),
        ...[
          parameters({ learning_rate_multiplier: 0 }),
          parameters({ beta: 0 }, "dpo"),
          parameters({ beta: 2.1 }, "dpo"),
        ],
      ],
    ],
  ])("%s have limits", (_, good, bad) => {
    expect(good.filter((one) => !accepts(one))).toEqual([]);
    expect(bad.filter(accepts)).toEqual([]);
  });

  test("has the hyperparameters of its method, or of the older field", () => {
    const of = (more: object) => methodOf({ ...order, ...more } as never);
    expect(of({})).toEqual({ method: "supervised", hyperparameters: {} });
    expect(of({ hyperparameters: { n_epochs: 2 } })).toEqual({
      method: "supervised",
      hyperparameters: { n_epochs: 2 },
    });
    expect(of({ hyperparameters: { n_epochs: 2 }, method: { type: "dpo" } })).toEqual({
      method: "dpo",
      hyperparameters: {},
    });
    const both = { ...parameters({ n_epochs: 3, batch_size: undefined }), hyperparameters: { n_epochs: 2 } };
    expect(of(both)).toEqual({ method: "supervised", hyperparameters: { n_epochs: 3 } });
    expect(ofJob.integrations([], {})).toBe(null);
    expect(ofJob.integrations([{}], {})).toContain("not supported");
    expect(ofJob.integrations({}, {})).toContain("not supported");
  });
});

describe("a body's parts", () => {
  const fits = (body: object) => {
    try {
      checkParts(body);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ status: 400, code: "body_too_large" });
      return false;
    }
  };

  test("are at most 8000, of which ten numbers of a list are one", () => {
    // The list counts as a part too.
    expect(fits({ a: list(7999, "x") })).toBe(true);
    expect(fits({ a: list(8000, "x") })).toBe(false);
    expect(fits({ a: list(79_980, 1) })).toBe(true);
    expect(fits({ a: list(80_000, 1) })).toBe(false);
    expect(fits(Object.fromEntries(list(8001, 0).map((_, i) => [`k${i}`, 1])))).toBe(false);
    expect(fits({ a: list(3000, ["x"]) })).toBe(true);
    expect(fits({ a: list(4000, ["x"]) })).toBe(false);
    expect(fits({ a: null })).toBe(true);
  });
});

test("the limits of a server that names none, and of timers", () => {
  expect(defaultLimits).toEqual({
    ...{ bodyBytes: 2 ** 20, bodySeconds: 10, sequences: 16, pending: 256, sendSeconds: 60, requestSeconds: 600 },
  });
  expect([timerMs(0.5), timerMs(2e6), timerMs(3e6)]).toEqual([500, 2e9, 2147483647]);
});

test("log-probabilities at a place of the prompt have so many of the likeliest, and the prompt's own token", () => {
  const entry = (token: number) => ({ token, text: `t${token}`, bytes: [], logprob: -token, rank: token });
  const event = {
    ...({ type: "token", token: 9, text: "t9", prompt: true } as const),
    logprob: { ...entry(9), top: [entry(1), entry(2)] },
  };
  const tokens = (likeliest: number) => Object.keys(promptLogprobOf(event, likeliest) ?? {});
  expect([-1, 0, 1, 2].map(tokens)).toEqual([["1", "2", "9"], ["9"], ["1", "9"], ["1", "2", "9"]]);
  expect(promptLogprobOf(event, 0)).toEqual({ "9": { logprob: -9, rank: 9, decoded_token: "t9" } });
  expect(promptLogprobOf({ ...event, logprob: undefined }, 0)).toBe(null);
  expect(promptLogprobOf({ ...event, logprob: { ...event.logprob, logprob: null } }, 0)).toBe(null);
});
