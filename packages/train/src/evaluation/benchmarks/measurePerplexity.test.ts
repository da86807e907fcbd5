import { init, reference, type Tensor, tensor } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { beforeAll, describe, expect, test } from "vitest";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";
import { answerChoices } from "./answerChoices.ts";
import { logLikelihood, measurePerplexity, type PerplexitySettings } from "./measurePerplexity.ts";

beforeAll(() => init(reference()));

/** The windows that the model received: tokens, and the labels to predict. */
let seen: { tokens: number[]; labels: number[] }[] = [];
/** A token's negative log-probability: its id divided by 100. */
const nats = (token: number) => token / 100;

/** A language model whose loss is the mean of `nats`. */
function modelOf(maxPositions: number, virtual = 0): CausalLM {
  const loss = ({ inputIds, labels }: { inputIds: Tensor; labels: Tensor }) => {
    const [tokens, wanted] = [inputIds, labels].map((t) => Array.from(t.dataSync() as Int32Array));
    expect([inputIds.shape, labels.shape]).toEqual([
      [1, tokens.length],
      [1, tokens.length],
    ]);
    const predicted = wanted.slice(virtual > 0 ? 0 : 1).filter((label) => label !== ignoreIndex);
    seen.push({ tokens, labels: predicted });
    return tensor(predicted.reduce((sum, token) => sum + nats(token), 0) / predicted.length);
  };
  const virtualTokens = virtual > 0 ? { count: virtual } : null;
  return { maxPositions, virtualTokens, loss, eval: () => {}, backend: undefined } as never;
}

/** A token is the index of a letter, from 1. */
const tokenizer = {
  encode: (text: string) => Array.from(text, (letter) => letter.charCodeAt(0) - 96),
} as Partial<Tokenizer> as Tokenizer;

const measured = (text: string | string[], settings?: PerplexitySettings, positions = 8, virtual = 0) => {
  seen = [];
  const texts = typeof text === "string" ? [text] : text;
  return measurePerplexity(modelOf(positions, virtual), tokenizer, texts, settings);
};

describe("measurePerplexity", () => {
  test.each<[string, PerplexitySettings, [tokens: number[], labels: number[]][]]>([
    [
      "one window",
      { maxLength: 7 },
      [
        [
          [1, 2, 3, 4, 5, 6, 7],
          [2, 3, 4, 5, 6, 7],
        ],
      ],
    ],
    [
      "windows that overlap by half, by default",
      { maxLength: 4 },
      [
        [
          [1, 2, 3, 4],
          [2, 3, 4],
        ],
        [
          [3, 4, 5, 6],
          [5, 6],
        ],
        [[5, 6, 7], [7]],
      ],
    ],
    [
      "half of an odd window is rounded up",
      { maxLength: 5 },
      [
        [
          [1, 2, 3, 4, 5],
          [2, 3, 4, 5],
        ],
        [
          [4, 5, 6, 7],
          [6, 7],
        ],
      ],
    ],
    [
      "windows side by side do not predict their first tokens",
      { maxLength: 3, stride: 3 },
      [
        [
          [1, 2, 3],
          [2, 3],
        ],
        [
          [4, 5, 6],
          [5, 6],
        ],
      ],
    ],
    [
      "steps of one token",
      { maxLength: 6, stride: 1 },
      [
        [
          [1, 2, 3, 4, 5, 6],
          [2, 3, 4, 5, 6],
        ],
        [[2, 3, 4, 5, 6, 7], [7]],
      ],
    ],
  ])("%s", async (_, settings, windows) => {
    const found = await measured("abcdefg", settings);
    expect(seen).toEqual(windows.map(([tokens, labels]) => ({ tokens, labels })));
    const labels = windows.flatMap(([, predicted]) => predicted);
    const sum = labels.reduce((all, label) => all + nats(label), 0);
    expect(found.tokens).toBe(labels.length);
    expect(found.tokenPerplexity).toBeCloseTo(Math.exp(sum / labels.length), 5);
    expect(found.bytePerplexity).toBeCloseTo(Math.exp(sum / 7), 5);
    expect(found.bitsPerByte).toBeCloseTo(sum / 7 / Math.log(2), 5);
  });

  test("sums over texts, and counts words by white space and bytes of UTF-8", async () => {
    const seenProgress: [number, number][] = [];
    const onProgress = (done: number, of: number) => void seenProgress.push([done, of]);
    const found = await measured(["abc", " d\n\nef ", "é"], { maxLength: 4, onProgress });
    const sum = found.tokens * Math.log(found.tokenPerplexity);
    expect(found).toMatchObject({ words: 4, bytes: 12, tokens: 2 + 6 });
    expect(found.wordPerplexity).toBeCloseTo(Math.exp(sum / 4), 5);
    expect(found.bytePerplexity).toBeCloseTo(Math.exp(sum / 12), 5);
    expect(seenProgress).toEqual([
      [3, 11],
      [7, 11],
      [9, 11],
      [10, 11],
      [11, 11],
    ]);
  });

  test("a window is as long as the model's positions, and 1024 tokens at most", async () => {
    const text = "a".repeat(1100);
    await measured(text, {}, 600);
    expect(seen.map(({ tokens }) => tokens.length)).toEqual([600, 600, 500]);
    await measured(text, {}, 4096);
    expect(seen.map(({ tokens }) => tokens.length)).toEqual([1024, 1100 - 512]);
    await measured("abcd", {}, 5, 2);
    expect(seen[0]).toEqual({ tokens: [1, 2, 3], labels: [1, 2, 3] });
  });

  test("settings that do not fit are refused", async () => {
    await measured("abc", { maxLength: 8, stride: 8 });
    await expect(measured("abc", { maxLength: 9 })).rejects.toThrow("a window of 9 tokens exceeds the model's 8 pos");
    await expect(measured("abc", { maxLength: 7 }, 8, 2)).rejects.toThrow("exceeds the model's 6 positions");
    await expect(measured("abc", { maxLength: 4, stride: 5 })).rejects.toThrow(
      "a stride of 5 skips tokens between windows of",
    );
    await expect(measured(["a", ""])).rejects.toThrow("there is nothing to predict: texts need two tokens at least");
    expect((await measured("ab")).tokens).toBe(1);
  });
});

test("logLikelihood counts the last tokens, and the first one only after virtual tokens", async () => {
  const plain = modelOf(8);
  const sumOf = (...tokens: number[]) => -tokens.reduce((sum, token) => sum + nats(token), 0);
  for (const [count, expected] of [
    [1, [4]],
    [2, [3, 4]],
    [3, [2, 3, 4]],
    [4, [2, 3, 4]],
  ] as const) {
    const { sum, counted } = await logLikelihood(plain, [1, 2, 3, 4], count);
    expect([counted, sum]).toEqual([expected.length, expect.closeTo(sumOf(...expected), 5)]);
  }
  seen = [];
  expect(await logLikelihood(plain, [1], 1)).toEqual({ sum: 0, counted: 0 });
  expect(await logLikelihood(plain, [1, 2], 0)).toEqual({ sum: 0, counted: 0 });
  expect(seen).toEqual([]);
  const { sum, counted } = await logLikelihood(modelOf(8, 1), [1, 2], 2);
  expect([counted, sum]).toEqual([2, expect.closeTo(sumOf(1, 2), 5)]);
});

describe("answerChoices", () => {
  const letters = {
    encode: (text: string) => Array.from(text, (letter) => (letter === " " ? 1 : letter.charCodeAt(0))),
  };

  test("takes the likeliest choice after the prompt, as a whole and per character", async () => {
    seen = [];
    const question = { prompt: "pq", choices: ["z", "bcd", "y"], answer: 0 };
    const found = await answerChoices(modelOf(16), letters as never, question);
    const codes = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
    expect(seen.map(({ labels }) => labels)).toEqual([
      [1, ...codes("z")],
      [1, ...codes("bcd")],
      [1, ...codes("y")],
    ]);
    expect(found.likeliest).toBe(2);
    // -1.23, -2.98 / 3 and -1.22 per character.
    expect(found.likeliestByLength).toBe(1);
    expect(found.logLikelihoods).toEqual([1.23, 2.98, 1.22].map((value) => expect.closeTo(-value, 4)));
  });

  test("spaces at the end of a prompt go to the choice, and long prompts lose their beginning", async () => {
    seen = [];
    await answerChoices(modelOf(4), letters as never, { prompt: "abc  ", choices: ["d"], answer: 0 });
    expect(seen).toEqual([{ tokens: [1, 1, 1, 100], labels: [1, 1, 100] }]);
    seen = [];
    await answerChoices(modelOf(5, 2), letters as never, { prompt: "abcd", choices: ["e"], answer: 0 });
    expect(seen).toEqual([{ tokens: [100, 1, 101], labels: [1, 101] }]);
  });

  test("an empty choice has the length 1", async () => {
    const question = { prompt: "a", choices: ["", "b"], answer: 0 };
    expect((await answerChoices(modelOf(8), letters as never, question)).likeliestByLength).toBe(0);
  });
});
