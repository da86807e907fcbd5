import { expect, test } from "vitest";
import { configText } from "../registry/configs/hfConfig.ts";
import {
  parseClassifierConfig,
  parseModelConfig,
  parseStackConfig,
  toHfConfig,
} from "../registry/configs/modelConfig.ts";
import { parseGenerationConfig } from "./generationConfig.ts";
import { JsonFields } from "./jsonFields.ts";
import { windowOf } from "./layerTypes.ts";

const fields = (x: unknown) => new JsonFields({ x }, "f");

/** The values that each reader accepts unchanged; all others throw. */
const readers: Record<string, { read: (x: unknown) => unknown; good: unknown[]; expected: string }> = {
  integer: {
    read: (x) => fields(x).integer("x"),
    good: [1, 2, 2 ** 24 + 1, 2 ** 53 - 1],
    expected: "a whole number of at least 1",
  },
  "integer from 0": {
    read: (x) => fields(x).integer("x", undefined, 0),
    good: [0, 1, 2, 2 ** 24 + 1, 2 ** 53 - 1],
    expected: "a whole number of at least 0",
  },
  size: {
    read: (x) => fields(x).size("x"),
    good: [1, 2, 2 ** 24],
    expected: "a whole number from 1 to 16777216",
  },
  layers: { read: (x) => fields(x).layers("x"), good: [1, 2, 10_000], expected: "a whole number from 1 to 10000" },
  epsilon: { read: (x) => fields(x).epsilon("x"), good: [1, 0.5], expected: "a number above 0 and at most 1" },
  positive: {
    read: (x) => fields(x).positive("x"),
    good: [0.5, 1, 1.5, 2, 2 ** 24, 2 ** 24 + 1, 10_000, 10_001, 2 ** 53 - 1, 2 ** 53],
    expected: "a number above 0",
  },
  number: {
    read: (x) => fields(x).number("x"),
    good: [-1, 0, 0.5, 1, 1.5, 2, 2 ** 24, 2 ** 24 + 1, 10_000, 10_001, 2 ** 53 - 1, 2 ** 53],
    expected: "a number",
  },
  probability: {
    read: (x) => fields(x).probability("x"),
    good: [0, 0.5],
    expected: "a probability of at least 0 and below 1",
  },
  boolean: { read: (x) => fields(x).boolean("x"), good: [true, false], expected: "true or false" },
  text: {
    read: (x) => fields(x).oneOf("x", ["a", "b"]),
    good: ["a", "b"],
    expected: '"a" or "b", which are supported',
  },
};
const numbers = [-1, 0, 0.5, 1, 1.5, 2, 10_000, 10_001, 2 ** 24, 2 ** 24 + 1, 2 ** 53 - 1, 2 ** 53];
const values = [...numbers, Infinity, Number.NaN, true, false, "a", "b", "1", [1], {}];
const wide = ["integer", "integer from 0", "size"];

test.each(Object.entries(readers))("%s", (name, { read, good, expected }) => {
  const more = [...good, ...(wide.includes(name) ? [10_000, 10_001, 2 ** 24] : [])];
  for (const value of values) {
    if (more.includes(value)) expect(read(value)).toBe(value);
    else {
      const kind =
        ["epsilon", "positive", "probability"].includes(name) && !Number.isFinite(value) ? "a number" : expected;
      expect(() => read(value), String(value)).toThrow(`expected ${kind}`);
    }
  }
  for (const absent of [null, undefined]) expect(() => read(absent)).toThrow("f: x is missing");
});

test("a fallback takes the place of an absent field", () => {
  expect(fields(null).integer("x", 3)).toBe(3);
  expect(fields(undefined).boolean("x", false)).toBe(false);
  expect(fields(0).number("x", 3)).toBe(0);
  expect(fields(null).oneOf("x", ["a"], "a")).toBe("a");
});

test("raw, isNull and object", () => {
  expect([fields(null).raw("x"), fields(0).raw("x"), fields(1).raw("y")]).toEqual([undefined, 0, undefined]);
  expect([fields(null).isNull("x"), fields(undefined).isNull("x"), fields(0).isNull("x")]).toEqual([
    true,
    false,
    false,
  ]);
  expect(fields(null).object("x")).toBeUndefined();
  expect(fields({ y: 2 }).object("x")?.integer("y")).toBe(2);
  expect(() => fields({ y: 0 }).object("x")?.integer("y")).toThrow("f: x: y is 0; expected a whole number");
  for (const value of [[], 3, "a"]) expect(() => fields(value).object("x")).toThrow("f: x: expected a JSON object");
  for (const value of [null, [], 3]) expect(() => new JsonFields(value, "f")).toThrow("f: expected a JSON object");
});

test("ids of tokens", () => {
  const id = (x: unknown, usual: number | null = 5) => fields(x).tokenId("x", usual);
  expect([id(undefined), id(null), id(0), id(7), id(undefined, null)]).toEqual([5, null, 0, 7, null]);
  expect(() => id(-1)).toThrow("x is -1; expected a whole number of at least 0");
  const ids = (x: unknown) => fields(x).tokenIds("x", [5]);
  expect([ids(undefined), ids(null), ids(0), ids([]), ids([0, 3])]).toEqual([[5], [], [0], [], [0, 3]]);
  for (const wrong of [-1, 0.5, "a", [1, -1], [null]]) {
    expect(() => ids(wrong)).toThrow("expected a token id or a list of them");
  }
});

test("a long value is cut in the message", () => {
  const message = (length: number) => () => fields("x".repeat(length)).number("x");
  expect(message(78)).toThrow(`f: x is "${"x".repeat(78)}"; expected`);
  expect(message(79)).toThrow(`f: x is "${"x".repeat(76)}...; expected`);
});

test("generation_config.json: least values, absence and kinds", () => {
  const read = (json: object) => parseGenerationConfig(json);
  const least: Record<string, number> = {
    ...{ top_k: 0, no_repeat_ngram_size: 0, min_new_tokens: 0, num_beams: 1, num_return_sequences: 1 },
    ...{ max_length: 1, max_new_tokens: 1, bos_token_id: 0, pad_token_id: 0 },
  };
  const camel = (key: string) => key.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  for (const [key, value] of Object.entries(least)) {
    expect(read({ [key]: value })).toMatchObject({ [camel(key)]: value });
    expect(() => read({ [key]: value - 1 })).toThrow(`${key} is ${value - 1}; expected a whole number`);
    expect(read({ [key]: null })).toMatchObject({ [camel(key)]: null });
  }
  for (const key of ["temperature", "top_p", "min_p", "repetition_penalty", "length_penalty"]) {
    expect(read({ [key]: 0.5 })).toMatchObject({ [camel(key)]: 0.5 });
    expect(() => read({ [key]: "x" })).toThrow(`${key} is "x"; expected a number`);
  }
  expect(Object.values(read({}))).toEqual([false, ...Array(17).fill(null), [], null]);
  expect(read({ suppress_tokens: [3, 0], bad_words_ids: [[0], [1, 2]], eos_token_id: 4 })).toMatchObject({
    ...{ suppressTokens: [3, 0], badWordsIds: [[0], [1, 2]], eosTokenIds: [4] },
  });
  for (const wrong of [3, [3], [[-1]], [[0.5]], ["a"], [[0], 1]]) {
    expect(() => read({ bad_words_ids: wrong })).toThrow("expected lists of token ids");
  }
  for (const value of [true, false, "never"]) expect(read({ early_stopping: value }).earlyStopping).toBe(value);
  for (const wrong of [1, "always"])
    expect(() => read({ early_stopping: wrong })).toThrow('expected true, false or "nev');
  expect(read({ stop_strings: "a" }).stopStrings).toEqual(["a"]);
  expect(read({ stop_strings: ["a", "b"] }).stopStrings).toEqual(["a", "b"]);
  for (const wrong of [1, ["a", 1]]) expect(() => read({ stop_strings: wrong })).toThrow("expected a text or a list");
});

test("layer_types is one known type for each layer", () => {
  const read = (layer_types: unknown) => parseModelConfig({ model_type: "gemma2", num_hidden_layers: 2, layer_types });
  const good = ["full_attention", "sliding_attention"];
  expect(read(good)).toMatchObject({ layerTypes: good });
  for (const wrong of [
    [],
    good.slice(1),
    [...good, good[0]],
    ["full_attention", "conv"],
    "full_attention",
    { length: 2 },
  ]) {
    expect(() => read(wrong)).toThrow("for each of 2 layers");
  }
});

test("fields are written in the order of their names", () => {
  const keys = Object.keys(toHfConfig(parseModelConfig({ model_type: "llama" })));
  expect(keys).toEqual([...keys].sort());
  expect(keys.length).toBeGreaterThan(15);
});

test("a head of classes has two labels by default, and writes its kind of problem", () => {
  const read = (more: object = {}) => parseClassifierConfig({ model_type: "bert", ...more });
  expect(read()).toMatchObject({ labels: ["LABEL_0", "LABEL_1"], problemType: null });
  expect(read({ num_labels: 1 }).labels).toEqual(["LABEL_0"]);
  expect(toHfConfig(read())).not.toHaveProperty("problem_type");
  expect(toHfConfig(read({ problem_type: "regression" }))).toMatchObject({ problem_type: "regression" });
  expect(() => read({ problem_type: "other" })).toThrow('problem_type is "other"; expected "regression" or');
});

test("a head's labels are named from 0 on", () => {
  const read = (id2label: object) => parseClassifierConfig({ model_type: "bert", id2label });
  expect(read({ 0: "a" }).labels).toEqual(["a"]);
  expect(read({ 1: "b", 0: "a" }).labels).toEqual(["a", "b"]);
  for (const wrong of [{}, { 1: "b" }, { 0: "a", 1: 3 }]) {
    expect(() => read(wrong)).toThrow("expected names for the indices from 0 on");
  }
});

test("a config is written with two spaces, and soft caps as floats", () => {
  expect(configText({ a: [30], final_logit_softcapping: 30, attn_logit_softcapping: 1.5 })).toBe(
    '{\n  "a": [\n    30\n  ],\n  "final_logit_softcapping": 30.0,\n  "attn_logit_softcapping": 1.5\n}\n',
  );
});

test("layers of one type have the sliding window", () => {
  expect(windowOf(null, ["sliding_attention"])).toBeUndefined();
  const { size, has } = windowOf(5, ["sliding_attention", "full_attention"])!;
  expect([size, has(0), has(1)]).toEqual([5, true, false]);
});

test("a padding token that is null is 0 for encoders with a table of it", () => {
  for (const model_type of ["bert", "roberta", "distilbert", "deberta-v2"]) {
    expect(parseStackConfig({ model_type, pad_token_id: null })).toMatchObject({ padTokenId: 0 });
  }
});

test.each<[string, object, string]>([
  ["bert", { hidden_size: 10 }, "num_attention_heads is undefined; expected a divisor of hidden_size 10"],
  ["bert", { is_decoder: true }, "is_decoder is true; expected false: an encoder is supported"],
  ["bert", { add_cross_attention: true }, "add_cross_attention is true; expected false"],
  ["bert", { position_embedding_type: "relative_key" }, 'position_embedding_type is "relative_key"'],
  ["distilbert", { dim: 10 }, "n_heads is undefined; expected a divisor of dim 10"],
  ["modernbert", { hidden_size: 10 }, "num_attention_heads is undefined; expected a divisor of hidden_size 10"],
  ["deberta-v2", { hidden_size: 10 }, "num_attention_heads is undefined; expected a divisor of hidden_size 10"],
  ["deberta-v2", { embedding_size: 10 }, "embedding_size is 10; expected 1536, which follows from hidden_size"],
  ["deberta-v2", { pooler_hidden_size: 10 }, "pooler_hidden_size is 10; expected 1536"],
  ["deberta-v2", { attention_head_size: 10 }, "attention_head_size is 10; expected 64"],
  ["deberta-v2", { pos_att_type: ["p2p"] }, 'expected "c2p" and "p2c", or one of them'],
  ["deberta-v2", { pos_att_type: 3 }, 'expected "c2p" and "p2c", or one of them'],
])("%s refuses %o", (model_type, more, message) => {
  expect(() => parseStackConfig({ model_type, ...more })).toThrow(message);
});

test.each<[string, object, string]>([
  ["gemma2", { use_bidirectional_attention: true }, "expected false: a decoder is supported"],
  ["qwen2", { layer_types: Array(32).fill("sliding_attention") }, "full_attention for every layer"],
  ["qwen2_moe", { num_experts: 3 }, "num_experts_per_tok is undefined; expected at most num_experts 3"],
  ["mixtral", { num_local_experts: 1 }, "num_experts_per_tok is undefined; expected at most num_local_experts 1"],
  ["smollm3", { no_rope_layers: [1], num_hidden_layers: 2 }, "expected 0 or 1 for each of 2 layers"],
  ["smollm3", { no_rope_layers: [1, 2], num_hidden_layers: 2 }, "expected 0 or 1 for each of 2 layers"],
  ["smollm3", { no_rope_layers: "11", num_hidden_layers: 2 }, "expected 0 or 1 for each of 2 layers"],
  ["lfm2", { layer_types: ["conv"], num_hidden_layers: 2 }, '"conv" or "full_attention" for each of 2 layers'],
  ["lfm2", { layer_types: ["conv", "x"], num_hidden_layers: 2 }, '"conv" or "full_attention" for each of 2 layers'],
  ["lfm2", { layer_types: "conv" }, '"conv" or "full_attention" for each of 32 layers'],
  ["lfm2", { full_attn_idxs: [-1] }, "expected a list of layers by number, from 0"],
  ["lfm2", { full_attn_idxs: [0.5] }, "expected a list of layers by number, from 0"],
  ["lfm2", { full_attn_idxs: 3 }, "expected a list of layers by number, from 0"],
])("%s refuses %o", (model_type, more, message) => {
  expect(() => parseModelConfig({ model_type, ...more })).toThrow(message);
});

test("the greatest and least values of the same fields are taken", () => {
  const read = (model_type: string, more: object) => parseModelConfig({ model_type, ...more });
  expect(read("qwen2_moe", { num_experts: 4 })).toMatchObject({ numExperts: 4, numExpertsPerTok: 4 });
  expect(read("mixtral", { num_local_experts: 2 })).toMatchObject({ numLocalExperts: 2, numExpertsPerTok: 2 });
  expect(read("smollm3", { no_rope_layers: [1, 0, 1], num_hidden_layers: 2 })).toMatchObject({
    noRopeLayers: [1, 0, 1],
  });
  const types = ["sliding_attention", "full_attention"];
  const slides = { num_hidden_layers: 2, layer_types: types, sliding_window: 5 };
  expect(read("smollm3", slides)).toMatchObject({ slidingWindow: 5, layerTypes: types });
  expect(read("smollm3", { sliding_window: 5 })).toMatchObject({ slidingWindow: null });
  expect(read("mistral", { sliding_window: null })).toMatchObject({ slidingWindow: null });
  expect(read("mixtral", { sliding_window: 7 })).toMatchObject({ slidingWindow: 7 });
  expect(read("qwen2", { use_sliding_window: true, sliding_window: null })).toMatchObject({ slidingWindow: null });
  expect(read("gemma2", { attn_logit_softcapping: null })).toMatchObject({ attnLogitSoftcapping: null });
  expect(read("gemma3_text", { final_logit_softcapping: 30 })).toMatchObject({ finalLogitSoftcapping: 30 });
});

test("DeBERTa's relative positions", () => {
  const read = (more: object) => parseStackConfig({ model_type: "deberta-v2", ...more });
  for (const none of [-1, 0, 0.5]) {
    expect(read({ max_relative_positions: none, max_position_embeddings: 40 })).toMatchObject({
      maxRelativePositions: 40,
    });
  }
  expect(read({ max_relative_positions: 1 })).toMatchObject({ maxRelativePositions: 1 });
  expect(read({ pos_att_type: "P2C|c2p" })).toMatchObject({ posAttType: ["c2p", "p2c"] });
  expect(read({ pos_att_type: ["p2c"] })).toMatchObject({ posAttType: ["p2c"] });
  expect(read({ pos_att_type: ["c2p"] })).toMatchObject({ posAttType: ["c2p"] });
  expect(read({ norm_rel_ebd: "layer_norm", conv_act: "gelu", cls_dropout: 0.25 })).toMatchObject({
    ...{ normRelEbd: true, convAct: "gelu", clsDropout: 0.25 },
  });
  expect(read({ conv_act: "tanh" })).toMatchObject({ normRelEbd: false, convAct: "tanh", clsDropout: null });
  const fits = { embedding_size: 1536, pooler_hidden_size: 1536, attention_head_size: 64 };
  expect(read(fits)).toMatchObject({ hiddenSize: 1536 });
});
