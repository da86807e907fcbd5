import { init, reference, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { evaluatePreferences } from "./evaluatePreferences.ts";
import { evaluateRewards, reward } from "./rewardModel.ts";

beforeAll(() => init(reference()));

const padTokenId = 0;
/** The rows of each forward pass. */
let passes: number[][][] = [];
/** True if the last pass had a mask. */
let masked: boolean;
const rowsIn = (inputIds: Tensor) => {
  const [rows, length] = inputIds.shape;
  const ids = Array.from(inputIds.dataSync() as Int32Array);
  const found = Array.from({ length: rows }, (_, i) => ids.slice(i * length, (i + 1) * length));
  passes.push(found);
  return found;
};
const base = () => {
  const weight = tensor([0]);
  return { eval: () => {}, train: () => {}, namedParameters: () => [["weight", weight]], namedModules: () => [] };
};

/** A model whose reward is the sum of a text's tokens divided by 10. */
const rewards = {
  ...base,
  forward: ({ inputIds, attentionMask }: { inputIds: Tensor; attentionMask: Tensor | null }) => {
    masked = attentionMask !== null;
    const sums = rowsIn(inputIds).map((row) => row.reduce((sum, id) => sum + id, 0) / 10);
    return { logits: tensor(sums, { shape: [sums.length, 1] }) };
  },
};
const judge = () => ({ ...base(), forward: rewards.forward }) as never;
const text = (...inputIds: number[]) => ({ inputIds });
const pairs = [
  { chosen: text(9, 1), rejected: text(4) },
  { chosen: text(3), rejected: text(3) },
  { chosen: text(2, 2), rejected: text(1, 1, 1, 4) },
];

test.each([1, 2, 3, undefined])("rewards of pairs, %s in a pass", async (batchSize) => {
  passes = [];
  const found = await evaluateRewards(judge(), pairs, { padTokenId, ...(batchSize && { batchSize }) });
  // Rewards 1, 0.3, 0.4 against 0.4, 0.3, 0.7. An equal pair counts as wrong.
  expect(found.accuracy).toBeCloseTo(1 / 3, 6);
  expect(found.margin).toBeCloseTo((0.6 + 0 - 0.3) / 3, 6);
  expect(found.mean).toBeCloseTo(3.1 / 6, 6);
  expect(found.min).toBeCloseTo(0.3, 6);
  expect(found.max).toBeCloseTo(1, 6);
  expect(passes.map((rows) => rows.length)).toEqual({ 1: [2, 2, 2], 2: [4, 2], 3: [6] }[batchSize ?? 3]);
});

test("rows have a mask where they are padded", async () => {
  await evaluateRewards(judge(), pairs.slice(1, 2), { padTokenId });
  expect(masked).toBe(false);
  await evaluateRewards(judge(), pairs.slice(0, 1), { padTokenId });
  expect(masked).toBe(true);
});

test("rewards of more pairs than a pass takes, and of none", async () => {
  passes = [];
  const many = Array.from({ length: 9 }, (_, i) => ({ chosen: text(i + 1), rejected: text(1) }));
  expect(await evaluateRewards(judge(), many, { padTokenId })).toMatchObject({ accuracy: 8 / 9 });
  expect(passes.map((rows) => rows.length)).toEqual([16, 2]);
  await expect(evaluateRewards(judge(), [], { padTokenId })).rejects.toThrow("evaluateRewards: there are no examples");
});

test("the loss of rewards, by hand", async () => {
  const logistic = (x: number) => Math.log(1 + Math.exp(-x));
  const examples = [{ ...pairs[0], margin: 0.5 }, pairs[2]];
  const lossOf = async (centerRewardsCoefficient?: number) => {
    const task = reward({ padTokenId, ...(centerRewardsCoefficient !== undefined && { centerRewardsCoefficient }) });
    expect(task.tokens?.(examples)).toBe(2 + 1 + 2 + 4);
    const loss = task.loss(judge(), (await task.collate(examples)) as never);
    return (loss as Tensor).item();
  };
  const plain = (logistic(0.6 - 0.5) + logistic(-0.3)) / 2;
  expect(await lossOf()).toBeCloseTo(plain, 5);
  expect(await lossOf(0)).toBeCloseTo(plain, 5);
  expect(await lossOf(1)).toBeCloseTo(plain + (1.4 ** 2 + 1.1 ** 2) / 2, 5);
  expect(await lossOf(0.25)).toBeCloseTo(plain + 0.25 * ((1.4 ** 2 + 1.1 ** 2) / 2), 5);
});

/** A language model in which token `likely` is e times as likely as each of the nine others. */
const speaker = (likely: number) =>
  ({
    ...base(),
    loss: () => expect.unreachable(),
    forward: ({ inputIds }: { inputIds: Tensor }) => {
      const rows = rowsIn(inputIds);
      const row = Array.from({ length: 10 }, (_, id) => (id === likely ? 1 : 0));
      const logits = rows.flatMap((ids) => ids.flatMap(() => row));
      return { logits: tensor(logits, { shape: [rows.length, rows[0].length, 10] }) };
    },
  }) as never;
const answer = (...ids: number[]) => ({ inputIds: [1, ...ids], labels: [-100, ...ids] });

test("rewards of answers are beta times what they are above the reference", async () => {
  // Log-probability under model 7 minus model 8: 1 for each token 7, -1 for each 8, otherwise 0.
  const examples = [
    { chosen: answer(7, 7, 3), rejected: answer(8) },
    { chosen: answer(8), rejected: answer(7) },
    { chosen: answer(2), rejected: answer(8, 3, 8) },
  ];
  for (const batchSize of [1, 2, undefined]) {
    passes = [];
    const options = { padTokenId, referenceModel: speaker(8), ...(batchSize && { batchSize }) };
    const found = await evaluatePreferences(speaker(7), examples, options);
    expect(found.chosen).toBeCloseTo((0.1 * (2 - 1 + 0)) / 3, 5);
    expect(found.rejected).toBeCloseTo((0.1 * (-1 + 1 - 2)) / 3, 5);
    expect(found.margin).toBeCloseTo((0.1 * (3 - 2 + 2)) / 3, 5);
    expect(found.accuracy).toBeCloseTo(2 / 3, 6);
    expect(passes).toHaveLength(2 * Math.ceil(3 / (batchSize ?? 8)));
    const strong = await evaluatePreferences(speaker(7), examples, { ...options, beta: 2 });
    expect(strong.margin).toBeCloseTo((2 * (3 - 2 + 2)) / 3, 5);
  }
  const nine = Array.from({ length: 9 }, () => examples[0]);
  passes = [];
  await evaluatePreferences(speaker(7), nine, { padTokenId, referenceModel: speaker(8) });
  expect(passes.map((rows) => rows.length)).toEqual([16, 16, 2, 2]);
  await expect(evaluatePreferences(speaker(7), [], { padTokenId })).rejects.toThrow("there are no examples");
});
