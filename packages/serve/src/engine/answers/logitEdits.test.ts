import { init, memory, reference, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { SamplingSettings } from "../../api/api.ts";
import type { BanSettings, RequestSettings } from "../requests/readSettings.ts";
import { LogitEdits } from "./chooseTokens.ts";

const backend = reference();
beforeAll(() => init(backend));

const noBans: BanSettings = { badWords: [], stopTokenIds: [], minTokens: 0 };
const settings = (sampling: Partial<SamplingSettings>, bans: Partial<BanSettings> = {}, prompt = [0]) =>
  ({ sampling: { temperature: 0, ...sampling }, bans: { ...noBans, ...bans }, prompt }) as unknown as RequestSettings;

/** Returns the logits 1, -2, 3, 4, 5, 6 after the edits for some new tokens. */
function edited(given: RequestSettings, newTokens: readonly number[] = []): number[] {
  using edits = new LogitEdits(given, { vocabSize: 6, backend });
  for (const token of newTokens) edits.count(token);
  const logits = tensor([[1, -2, 3, 4, 5, 6]]);
  return [...edits.apply(logits).dataSync()] as number[];
}
const no = -Infinity;

test("biases are added, and tokens that are not allowed never come", () => {
  expect(edited(settings({ logitBias: { 2: 1.5, 5: -7 } }))).toEqual([1, -2, 4.5, 4, 5, -1]);
  expect(edited(settings({ allowedTokenIds: [1, 3] }))).toEqual([no, -2, no, 4, no, no]);
  expect(edited(settings({ allowedTokenIds: [1, 3], logitBias: { 1: 4, 2: 4 } }))).toEqual([no, 2, no, 4, no, no]);
  expect(edited(settings({}))).toEqual([1, -2, 3, 4, 5, 6]);
});

test("repetition counts the prompt too, the other penalties new tokens alone", () => {
  expect(edited(settings({ repetitionPenalty: 2 }, {}, [0, 1]))).toEqual([0.5, -4, 3, 4, 5, 6]);
  expect(edited(settings({ repetitionPenalty: 2 }, {}, [0]), [4])).toEqual([0.5, -2, 3, 4, 2.5, 6]);
  expect(edited(settings({ frequencyPenalty: 0.5 }), [2, 2, 3])).toEqual([1, -2, 2, 3.5, 5, 6]);
  expect(edited(settings({ presencePenalty: 0.5 }), [2, 2, 3])).toEqual([1, -2, 2.5, 3.5, 5, 6]);
});

test("a bias comes before penalties", () => {
  // 1 - 3 is -2, which the repetition penalty makes -4.
  expect(edited(settings({ logitBias: { 0: -3 }, repetitionPenalty: 2 }))[0]).toBe(-4);
});

test("stops are banned until there are so many new tokens, and ends of bad words always", () => {
  const bans = { stopTokenIds: [5, 0], minTokens: 2 };
  expect(edited(settings({}, bans))).toEqual([no, -2, 3, 4, 5, no]);
  expect(edited(settings({}, bans), [1])).toEqual([no, -2, 3, 4, 5, no]);
  expect(edited(settings({}, bans), [1, 1])).toEqual([1, -2, 3, 4, 5, 6]);
  const words = { badWords: [[1, 2], [3], [2, 3]] };
  expect(edited(settings({}, words))).toEqual([1, -2, 3, no, 5, 6]);
  expect(edited(settings({}, words), [1])).toEqual([1, -2, no, no, 5, 6]);
  // Two words ban one token.
  expect(edited(settings({}, words), [2])).toEqual([1, -2, 3, no, 5, 6]);
  expect(edited(settings({ frequencyPenalty: 1 }, words), [1])).toEqual([1, -3, no, no, 5, 6]);
});

test.each([
  [settings({}), false],
  [settings({ logitBias: {}, repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0 }), false],
  [settings({}, { stopTokenIds: [1] }), false],
  [settings({}, { minTokens: 1 }), false],
  [settings({ logitBias: { 1: 0 } }), true],
  [settings({ allowedTokenIds: [1] }), true],
  [settings({ repetitionPenalty: 1.1 }), true],
  [settings({ frequencyPenalty: -0.1 }), true],
  [settings({ presencePenalty: 0.1 }), true],
  [settings({}, { badWords: [[1]] }), true],
  [settings({}, { stopTokenIds: [1], minTokens: 1 }), true],
])("the settings %j change logits: %s", (given, needed) => {
  expect(LogitEdits.needed(given)).toBe(needed);
});

test("all that the edits hold is freed", () => {
  const before = memory();
  const edits = new LogitEdits(settings({ logitBias: { 1: 1 }, repetitionPenalty: 2, presencePenalty: 1 }), {
    ...{ vocabSize: 6, backend },
  });
  edits.count(3);
  expect(memory().bytes).toBeGreaterThan(before.bytes);
  edits.dispose();
  expect(memory()).toMatchObject({ bytes: before.bytes, buffers: before.buffers });
});
