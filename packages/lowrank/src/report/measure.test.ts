import { Generator, init, type Tensor, tensor } from "@lowrank/core";
import { createModel, generate, parseModelConfig, randomParameters } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import { describe, expect, test, vi } from "vitest";
import { exactMatch, median, passMilliseconds, toQuestion } from "./measure.ts";

describe("toQuestion", () => {
  test.each([
    ["a prompt and what completes it", [5, 6, 7, 8, 2], [-100, -100, 7, 8, 2], { prompt: [5, 6], answer: [7, 8] }],
    ["one whose completion was cut before its end", [5, 6, 7], [-100, 6, 7], { prompt: [5], answer: [6, 7] }],
    ["an answer of one token", [5, 6], [-100, 6], { prompt: [5], answer: [6] }],
    ["an answer of tokens 0", [0, 0, 0], [-100, 0, 0], { prompt: [0], answer: [0, 0] }],
    ["a text", [5, 6, 2], [5, 6, 2], null],
    ["a text of tokens 0", [0, 0], [0, 0], null],
    ["a conversation of several turns", [5, 6, 7, 8], [-100, 6, -100, 8], null],
    ["nothing to answer", [5, 2], [-100, 2], null],
    ["nothing that is learned", [5, 6], [-100, -100], null],
  ])("%s", (_what, inputIds, labels, question) => {
    expect(toQuestion({ inputIds, labels }, 2)).toEqual(question);
  });
});

test("median", () => {
  expect(median([3])).toBe(3);
  expect(median([10, 1, 2])).toBe(2);
  expect(median([10, 1, 2, 4])).toBe(3);
});

/** A small random model of 32 positions. */
function smallModel() {
  const sizes = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 };
  const config = parseModelConfig({ model_type: "llama", vocab_size: 30, max_position_embeddings: 32, ...sizes });
  const draw = randomParameters(new Generator(1));
  return createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.5 } : start));
}

const exampleOf = (prompt: readonly number[], answer: readonly number[]) => ({
  inputIds: [...prompt, ...answer],
  labels: [...prompt.map(() => -100), ...answer],
});

test("exactMatch counts an answer only if it ends where the model's does", async () => {
  await init(wasm());
  const model = smallModel();
  const prompt = [3, 4];
  const [answer] = await generate(model, [prompt], { maxNewTokens: 8 });
  const ends = answer.findIndex((token, i) => i > 0 && !answer.slice(0, i).includes(token));
  const eos = answer[ends];
  const match = (given: readonly number[]) => exactMatch(model, [exampleOf(prompt, given)], eos);
  expect(await match(answer.slice(0, ends + 1))).toBe(1);
  // An answer that was cut before its end is whole without it.
  expect(await match(answer.slice(0, ends))).toBe(1);
  expect(await match([...answer.slice(0, ends), (eos + 1) % 30, eos])).toBe(0);
  expect(await match([(answer[0] + 1) % 30, ...answer.slice(1, ends + 1)])).toBe(0);
});

test("exactMatch leaves out questions for which the model has too few positions", async () => {
  await init(wasm());
  const model = smallModel();
  const prompt = Array.from({ length: 28 }, (_, i) => i + 1);
  const [answer] = await generate(model, [prompt], { maxNewTokens: 3 });
  expect(await exactMatch(model, [exampleOf(prompt, answer)], null)).toBe(1);
  expect(await exactMatch(model, [exampleOf(prompt, [...answer, 1])], null)).toBeNull();
  const many = Array.from({ length: 66 }, (_, i) => exampleOf(prompt.slice(0, 1 + (i % 3)), [29]));
  const [first] = await Promise.all([exactMatch(model, many, null)]);
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map(async (length) => exactMatch(model, [exampleOf(prompt.slice(0, length), [29])], null)),
  );
  expect(first).toBeCloseTo((one! + two! + three!) / 3);
});

test("exactMatch counts answers that are the model's own, to the last token", async () => {
  await init(wasm());
  const model = smallModel();
  const prompts = [[3, 4], [5], [6, 7, 8]];
  const answers = await generate(model, prompts, { maxNewTokens: 4 });
  const examples = prompts.map((prompt, i) => exampleOf(prompt, answers[i]));
  expect(await exactMatch(model, examples, null)).toBe(1);
  const last = examples[1].inputIds.length - 1;
  examples[1].inputIds[last] = (examples[1].inputIds[last] + 1) % 30;
  expect(await exactMatch(model, examples, null)).toBeCloseTo(2 / 3);
  expect(await exactMatch(model, [{ inputIds: [3, 4], labels: [3, 4] }], null)).toBeNull();
});

test("exactMatch answers at most 64 questions at a time, each once", async () => {
  await init(wasm());
  const model = smallModel();
  const [[token]] = await generate(model, [[3, 4]], { maxNewTokens: 1 });
  const caches = vi.spyOn(model, "createCache");
  for (const [count, batches] of [
    [64, [64]],
    [66, [64, 2]],
  ] as const) {
    caches.mockClear();
    const examples = Array.from({ length: count }, () => exampleOf([3, 4], [token]));
    expect(await exactMatch(model, examples, null)).toBe(1);

    expect(caches.mock.calls.map(([rows]) => rows)).toEqual(batches);
  }
});

test("exactMatch gives a long answer its positions beside a long prompt", async () => {
  await init(wasm());
  const model = smallModel();
  const [long, short] = [Array.from({ length: 28 }, (_, i) => i + 1), [3, 4]];
  const [after] = await generate(model, [long], { maxNewTokens: 3 });
  const [answer] = await generate(model, [short], { maxNewTokens: 10 });
  const examples = [exampleOf(long, after), exampleOf(short, answer), exampleOf(short, answer.slice(0, 2))];
  for (const given of [examples, examples.toReversed()]) expect(await exactMatch(model, given, null)).toBe(1);
});

test("exactMatch fills the positions of a batch to the last one, and counts virtual tokens", async () => {
  await init(wasm());
  const model = smallModel();
  const caches = vi.spyOn(model, "createCache");
  const examples = [27, 28].map((length) => exampleOf(Array(length).fill(3), [1, 2, 3]));
  expect(await exactMatch(model, examples, null)).toBeLessThanOrEqual(1);
  expect(caches.mock.calls.map(([rows]) => rows)).toEqual([2]);
  const prompted = { maxPositions: 10, virtualTokens: { count: 4 } } as never;
  expect(await exactMatch(prompted, [exampleOf([3, 4, 5, 6, 7], [1])], null)).toBeNull();
});

test("exactMatch ends each answer of a batch at its end", async () => {
  await init(wasm());
  const model = smallModel();
  const [answer] = await generate(model, [[3, 4]], { maxNewTokens: 8 });
  const ends = answer.findIndex((token, i) => i > 0 && !answer.slice(0, i).includes(token));
  const examples = [exampleOf([3, 4], answer.slice(0, ends + 1)), exampleOf([5, 6], Array(9).fill(7))];
  expect(await exactMatch(model, examples, answer[ends])).toBe(0.5);
});

test("the time of a pass is the median of 25, after five that warm up", async () => {
  await init(wasm());
  let [now, passes, modes] = [0, 0, 0];
  const ids: number[][] = [];
  const model = {
    vocabSize: 10,
    eval: () => modes++,
    forward: ({ inputIds }: { inputIds: Tensor }) => {
      ids.push([...inputIds.shape, ...(inputIds.dataSync() as Int32Array)]);
      // The first passes are slow; later ones take 1 to 25 ms.
      now += ++passes <= 5 ? 1000 : passes - 5;
      return { logits: tensor([1]) };
    },
  };
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
  try {
    expect(await passMilliseconds(model as never, 4)).toBe(13);
  } finally {
    clock.mockRestore();
  }
  expect([passes, modes]).toEqual([30, 1]);
  expect(ids.every((one) => one.join() === "1,4,0,7,4,1")).toBe(true);
});
