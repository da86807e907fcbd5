import { expect, test } from "vitest";
import { parseSuite } from "./parseSuite.ts";
import { SuiteError } from "./suiteError.ts";

const prompt = { prompt: "one", exact: "two" };

test("a suite with every key is returned unchanged", () => {
  const suite = {
    ...{ name: "all", model: "./model", adapter: { base: "nano", config: { r: 8 } }, minPassed: 0.5 },
    generation: { maxNewTokens: 8, batchSize: 4, stop: ["\n"], system: "be brief" },
    prompts: [
      { ...prompt, name: "first", contains: ["t"], notContains: "x", matches: "^t", schema: { type: "string" } },
    ],
    heldOut: { data: "test.jsonl", maxLoss: 1, maxPerplexity: 3, maxTokens: 100, window: 64 },
    forgetting: { text: ["a", "b"], maxLossIncrease: -0.1 },
    drift: { maxChangedTokens: 0.1, maxKl: 0.2 },
    masks: { data: "train.jsonl", limit: 5, maxLength: 64, checks: ["prompt", "endOfSequence"] },
    comparison: { alpha: 0.01, resamples: 500, seed: 3 },
  };
  expect(parseSuite(suite)).toBe(suite);
});

test.each<[unknown, string]>([
  [null, "a suite is an object with the keys name, model, adapter, generation, prompts"],
  [[prompt], "a suite is an object with the keys"],
  [{}, "the suite has no tests; add prompts, heldOut, forgetting, drift, masks or adapter"],
  [{ name: "x", comparison: {} }, "the suite has no tests"],
  [{ promts: [prompt] }, "promts: the key is unknown; did you mean prompts?"],
  [{ prompts: [] }, "prompts: found []; too small: expected array to have >=1 items"],
  [{ prompts: [{ ...prompt, exat: "two" }] }, "prompts[0].exat: the key is unknown; did you mean exact?"],
  [{ prompts: [{ exact: "two" }] }, 'prompts[0]: give either "prompt" or "messages"'],
  [{ prompts: [{ ...prompt, messages: [{ role: "user", content: "one" }] }] }, 'give either "prompt" or "messages"'],
  [
    { prompts: [prompt, { prompt: "one" }] },
    "prompts[1]: nothing is expected of the answer; add one of exact, contains",
  ],
  [{ prompts: [{ prompt: "one", matches: "(" }] }, "prompts[0].matches: Invalid regular expression"],
  [{ prompts: [{ prompt: "one", exact: 3 }] }, "prompts[0].exact: found 3; expected string"],
  [{ prompts: [{ prompt: "one", check: "two" }] }, 'prompts[0].check: found "two"; expected a function, which only'],
  [
    { prompts: [{ messages: [{ role: "user" }], exact: "x" }] },
    "prompts[0].messages[0].content: found nothing; expected string",
  ],
  [{ heldOut: { data: "x.txt", maxlos: 1 } }, "heldOut.maxlos: the key is unknown; did you mean maxLoss?"],
  [{ heldOut: { data: "x.txt", maxLoss: "1" } }, 'heldOut.maxLoss: found "1"; expected number'],
  [{ heldOut: { data: "x.txt" } }, "heldOut: it has no limit; add maxLoss or maxPerplexity"],
  [{ heldOut: { maxLoss: 1 } }, "heldOut: it has no texts; give one of data, text or examples"],
  [{ heldOut: { maxLoss: 1, data: "x", text: "y" } }, "heldOut: data and text are given; give one of"],
  [{ forgetting: { data: "x" } }, "forgetting.maxLossIncrease: found nothing; expected number"],
  [{ drift: { maxKl: 1 } }, "drift: it has no texts"],
  [
    { drift: { data: "x", maxChangedTokens: 30 } },
    "drift.maxChangedTokens: found 30; too big: expected number to be <=1",
  ],
  [{ masks: { limit: 3 } }, "masks: it has no texts; give one of data or examples"],
  [{ masks: { data: "x", checks: ["promt"] } }, 'masks.checks[0]: found "promt"; expected one of "labels"|"prompt"'],
  [{ prompts: [prompt], minPassed: 90 }, "minPassed: found 90"],
  [{ prompts: [prompt], comparison: { alpha: 0 } }, "comparison.alpha: found 0"],
])("%j is refused", (suite, message) => {
  expect(() => parseSuite(suite)).toThrow(message);
  expect(() => parseSuite(suite)).toThrow(SuiteError);
});

test("the error leads to its value", () => {
  let found: unknown;
  try {
    parseSuite({ prompts: [prompt, { ...prompt, contans: "t" }] });
  } catch (error) {
    found = error;
  }
  expect(found).toMatchObject({ code: "invalid_suite", path: ["prompts", 1, "contans"] });
});
