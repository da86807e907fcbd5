import { Generator, init, logSoftmax, reference, type Tensor, tensor } from "@lowrank/core";
import { sampleTokens } from "@lowrank/core/internal";
import { beforeAll, expect, test } from "vitest";
import { type Choice, chooseTokens, type LogitEdits, logprobsOf, rowsOf } from "./chooseTokens.ts";

beforeAll(() => init(reference()));

const values = (x: Tensor) => [...x.dataSync()];

test("rows come in order, and all rows are the tensor itself", () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  expect(rowsOf(x, [0, 1])).toBe(x);
  expect(values(rowsOf(x, [1, 0]))).toEqual([4, 5, 6, 1, 2, 3]);
  expect(values(rowsOf(x, [1]))).toEqual([4, 5, 6]);
  expect(values(rowsOf(x, [0]))).toEqual([1, 2, 3]);
  expect(values(rowsOf(x, [0, 1, 1]))).toEqual([1, 2, 3, 4, 5, 6, 4, 5, 6]);
});

const last: LogitEdits = { apply: () => tensor([[0, 0, 9]]) } as unknown as LogitEdits;
const choice = (temperature: number, seed = 1, index = 0, edits: LogitEdits | null = null): Choice => {
  return { sampling: { temperature, seed }, index, edits };
};

test.each<[string, Choice[]]>([
  ["greedy ones alone", [choice(0), choice(0), choice(0)]],
  ["one greedy one", [choice(0)]],
  ["edited ones", [choice(0, 1, 0, last), choice(0, 1, 0, last)]],
  ["all kinds", [choice(1, 3), choice(0), choice(1, 4, 2), choice(0, 1, 0, last), choice(0), choice(0.5, 9)]],
  ["drawn ones alone", [choice(1, 7), choice(1, 8), choice(1, 7)]],
])("each row is chosen as it would be alone: %s", (_, choices) => {
  const rows = [
    [1, 2, 1.5],
    [3, 1, 2],
    [0.1, 0.2, 0.3],
    [5, 1, 2],
    [1, 7, 2],
    [1, 1, 1],
  ].slice(0, choices.length);
  const expected = choices.map(({ sampling, index, edits }, row) => {
    const logits = edits ? [0, 0, 9] : rows[row];
    if (sampling.temperature === 0) return logits.indexOf(Math.max(...logits));
    const generator = new Generator(sampling.seed);
    generator.offset = index;
    return values(sampleTokens(tensor([logits]), { temperature: sampling.temperature, generator }))[0];
  });
  expect(values(chooseTokens(tensor(rows), choices))).toEqual(expected);
});

test("log-probabilities and ranks are of the rows' own tokens, and a row without a token changes no other", () => {
  const rows = [
    [1, 2, 4],
    [3, 1, 2],
    [0, 5, 1],
  ];
  const all = values(logSoftmax(tensor(rows), { dim: 1 })) as number[];
  const { ofTokens, top, ranks } = logprobsOf(tensor(rows), tensor([0, -1, 1], { dtype: "i32" }), 2, true);
  const [first, , third] = values(ofTokens) as number[];
  expect(first).toBeCloseTo(all[0], 6);
  expect(third).toBeCloseTo(all[7], 6);
  expect([values(ranks!)[0], values(ranks!)[2]]).toEqual([3, 1]);
  expect(values(top![1])).toEqual([2, 1, 0, 2, 1, 2]);
  expect(logprobsOf(tensor(rows), tensor([0, 0, 0], { dtype: "i32" }), 0, false)).toMatchObject({
    top: null,
    ranks: null,
  });
});
