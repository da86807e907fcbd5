import { init, reference, sum, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, it, test } from "vitest";
import { collate } from "../data/batches/collate.ts";
import { ignoreIndex } from "../data/tokens/ignoreIndex.ts";
import { evaluate } from "../evaluation/evaluate.ts";
import { meanPooling } from "./embeddings/embed.ts";
import { multipleNegativesRanking } from "./embeddings/multipleNegativesRanking.ts";
import { labelledTokens } from "./languageModel.ts";
import { ownTask } from "./ownTask.ts";
import { distillation } from "./preference/distillation.ts";
import { dpo } from "./preference/dpo.ts";
import { kto } from "./preference/kto.ts";
import { orpo } from "./preference/orpo.ts";
import { tokensOf, tokensOfPairs } from "./preference/preferenceBatch.ts";
import { taskOf } from "./taskOf.ts";
import { languageTask } from "./trainingTask.ts";

beforeAll(() => init(reference()));

const padTokenId = 0;
/** The parts of a module that tasks and evaluations use. */
const parts = () => {
  const weight = tensor([0]);
  return { eval: () => {}, train: () => {}, namedParameters: () => [["weight", weight]], namedModules: () => [] };
};
/** Returns an example in which the first `given` tokens are unlabelled. */
const example = (given: number, ...inputIds: number[]) => ({
  inputIds,
  labels: inputIds.map((id, t) => (t < given ? ignoreIndex : id)),
});

test.each([
  ["dpo", dpo({ padTokenId }), { task: "dpo", beta: 0.1, lossType: "sigmoid", padTokenId }],
  ["orpo", orpo({ padTokenId }), { task: "orpo", beta: 0.1, padTokenId }],
  ["kto", kto({ padTokenId }), { task: "kto", beta: 0.1, desirableWeight: 1, undesirableWeight: 1, padTokenId }],
  [
    "distillation",
    distillation({ padTokenId, teacher: null as never }),
    { task: "distillation", beta: 0.5, temperature: 1, padTokenId },
  ],
  ["contrast", multipleNegativesRanking({ padTokenId }), { task: "contrast", scale: 20, padTokenId }],
])("%s has the documented defaults", (_, { settings }, expected) => {
  expect(settings).toEqual(expected);
});

describe("kto", () => {
  const { collate: collateKto, tokens } = kto({ padTokenId });
  const rows = (ids: Int32Array, length: number) =>
    Array.from({ length: ids.length / length }, (_, i) => [...ids.subarray(i * length, (i + 1) * length)]);

  it("joins each prompt with the answer before it", () => {
    const examples = [
      { ...example(2, 1, 2, 3), desirable: true },
      { ...example(0, 4, 5), desirable: false },
      { ...example(2, 6, 7), desirable: true },
    ];
    const { answers, mismatched, desirable } = collateKto(examples);
    expect(desirable).toEqual([true, false, true]);
    expect(rows(answers.inputIds, answers.length)).toEqual([
      [1, 2, 3],
      [4, 5, 0],
      [6, 7, 0],
    ]);
    // The last example is a prompt alone.
    expect(rows(mismatched!.inputIds, mismatched!.length)).toEqual([
      [1, 2, 0, 0],
      [3, 0, 0, 0],
      [6, 7, 4, 5],
    ]);
    expect(rows(mismatched!.labels, mismatched!.length)).toEqual([
      [-100, -100, -100, -100],
      [3, -100, -100, -100],
      [-100, -100, 4, 5],
    ]);
    expect(collateKto(examples.slice(0, 1)).mismatched).toBeNull();
    expect(collateKto(examples.slice(0, 2)).mismatched).not.toBeNull();
    expect(tokens?.(examples)).toBe(7);
  });
});

test("tokens and labels are counted", () => {
  expect(tokensOf([])).toBe(0);
  expect(tokensOf([example(0, 1, 2, 3), example(1, 4, 5)])).toBe(5);
  expect(tokensOfPairs([{ chosen: example(0, 1, 2, 3), rejected: example(1, 4) }])).toBe(4);
  const batch = collate([example(0, 1, 2, 3), example(1, 4, 5), example(2, 6, 7, 8, 9), example(0, 1)], { padTokenId });
  expect(labelledTokens(batch)).toEqual([2, 1, 2, 0]);
  const texts = [{ anchor: example(0, 1), positive: example(0, 1, 2), negative: example(0, 1, 2, 3) }];
  const { tokens, collate: collateTexts } = multipleNegativesRanking({ padTokenId, scale: 0.5 });
  expect(tokens?.(texts)).toBe(6);
  expect(collateTexts(texts).count).toBe(1);
  for (const scale of [0, -1, Number.NaN]) {
    expect(() => multipleNegativesRanking({ padTokenId, scale })).toThrow(
      `multipleNegativesRanking: scale is ${scale}; give a number above 0, such as 20`,
    );
  }
});

describe("a custom task", () => {
  const task = (loss: unknown) => ownTask("Trainer", {}, { collate: () => 0, loss: () => loss as Tensor });
  const run = async (loss: unknown) => (await task(loss)([1, 2])).withLoss((one) => one.shape);

  it("has no tokens and no truncated examples by default", async () => {
    expect(await task(null)([1, 2])).toMatchObject({ labels: 2, tokens: 0, truncatedExamples: 0 });
  });

  it("needs a loss of one f32 value", async () => {
    expect(await run(tensor([1]))).toEqual([]);
    expect(await run(tensor([1], { shape: [1, 1] }))).toEqual([]);
    await expect(run(tensor([1, 2]))).rejects.toThrow(
      "Trainer: loss returned a f32 tensor [2]; expected an f32 tensor of one element, such as the mean over the batch",
    );
    await expect(run(tensor([1], { dtype: "i32" }))).rejects.toThrow("Trainer: loss returned a i32 tensor [1]");
    await expect(run({ size: 1, dtype: "f32" })).rejects.toThrow("Trainer: loss returned [object Object]");
  });

  it("needs both functions", () => {
    const make = (options: object) => () => taskOf("Trainer", parts() as never, [1], options as never);
    const advice = "give the options collate: (examples) => batch and loss: (model, batch) => Tensor";
    expect(make({ loss: () => null })).toThrow(`Trainer: the options have no collate; ${advice}`);
    expect(make({ collate: () => null })).toThrow(`Trainer: the options have no loss; ${advice}`);
    expect(make({})).toThrow(`Trainer: the model has no loss; ${advice}`);
  });
});

test("the loss of a step comes from forward only if it is observed", async () => {
  const loss = () => tensor([1]);
  const lossOf = async (model: object, throughForward?: boolean) => {
    const task = languageTask({ ...parts(), ...model } as never, { padTokenId });
    return (await task([example(0, 1, 2)])).withLoss((one) => one.dataSync()[0], throughForward);
  };
  const forward = () => ({ loss: tensor([2]) });
  expect(await lossOf({ loss, forward })).toBe(1);
  expect(await lossOf({ loss, forward }, false)).toBe(1);
  expect(await lossOf({ loss, forward }, true)).toBe(2);
  expect(await lossOf({ loss }, true)).toBe(1);
  expect(await lossOf({ loss, forward: () => ({}) }, true)).toBe(1);
});

describe("mean pooling", () => {
  /** An encoder whose hidden states are (id, 0.001), after two rows of virtual tokens. */
  let mask: Tensor | null;
  const encoder = () => ({
    ...parts(),
    forward: ({ inputIds, attentionMask }: { inputIds: Tensor; attentionMask: Tensor | null }) => {
      mask = attentionMask;
      const [rows, length] = inputIds.shape;
      const ids = [...inputIds.dataSync()];
      const values = Array.from({ length: rows }, (_, row) => [
        ...[9, 9, 9, 9],
        ...ids.slice(row * length, (row + 1) * length).flatMap((id) => [id / 1000, 0.001]),
      ]);
      return tensor(values.flat(), { shape: [rows, length + 2, 2] });
    },
  });

  it("averages a text's tokens alone, and has length 1", () => {
    const batch = collate([example(0, 1, 2, 3), example(0, 4)], { padTokenId });
    const found = [...meanPooling(encoder() as never, batch).dataSync()];
    const unit = (x: number) => [x / Math.hypot(x, 1), 1 / Math.hypot(x, 1)];
    for (const [i, value] of [...unit(2), ...unit(4)].entries()) expect(found[i]).toBeCloseTo(value, 5);
    expect(mask).not.toBeNull();
    meanPooling(encoder() as never, collate([example(0, 1, 2)], { padTokenId }));
    expect(mask).toBeNull();
  });
});

describe("evaluate", () => {
  const vocabulary = 8;
  /** A model that predicts the next id, after `virtual` rows of virtual tokens. */
  const counting = (virtual = 0, base: object = {}, step = 1) => {
    const forward = ({ inputIds, labels }: { inputIds: Tensor; labels?: Tensor }) => {
      const [rows, length] = inputIds.shape;
      const ids = [...inputIds.dataSync()];
      const logits = Array.from({ length: rows }, (_, row) => [
        ...Array.from({ length: virtual }, () => 0),
        ...ids.slice(row * length, (row + 1) * length).map((id) => (id + step) % vocabulary),
      ]);
      const values = logits.flat().flatMap((id) => Array.from({ length: vocabulary }, (_, i) => (i === id ? 2 : 0)));
      return { logits: tensor(values, { shape: [rows, length + virtual, vocabulary] }), labels };
    };
    return { ...parts(), ...base, forward, loss: () => sum(tensor([0.5, 0.25])) } as never;
  };
  /** The loss of a right and of a wrong prediction. */
  const right = Math.log(Math.exp(2) + vocabulary - 1) - 2;
  const wrong = right + 2;
  const texts = [example(1, 1, 2, 3, 5), example(2, 3, 4, 5), example(3, 1, 2, 3), example(0, 2, 3)];

  it.each([1, 2, 3, 4])("counts predictions of language models, %i texts at a time", async (batchSize) => {
    for (const virtual of [0, 3]) {
      const options = { padTokenId, batchSize, metrics: ["accuracy", "exactMatch"] } as const;
      const measured = await evaluate(counting(virtual), texts, options);
      expect(measured).toMatchObject({ labels: 5, accuracy: 4 / 5, exactMatch: 2 / 3 });
      expect(measured.loss).toBeCloseTo((4 * right + wrong) / 5, 5);
      expect(measured.perplexity).toBeCloseTo(Math.exp(measured.loss), 5);
    }
  });

  it.each([1, 3])("counts predictions of token classifiers, %i texts at a time", async (batchSize) => {
    const classifier = counting(0, { classifiesTokens: true, config: { labels: [..."OOOOOOOO"] } }, 0);
    const measured = await evaluate(classifier, texts, { padTokenId, batchSize });
    expect(measured).toMatchObject({ labels: 6, accuracy: 1 });
    expect(measured.loss).toBeCloseTo(right, 5);
    const virtual = counting(2, { classifiesTokens: true, config: { labels: [..."OOOOOOOO"] } }, 0);
    expect(await evaluate(virtual, texts, { padTokenId, batchSize })).toMatchObject({ labels: 6, accuracy: 1 });
  });

  it("passes predictions and labels to computeMetrics", async () => {
    const given: unknown[] = [];
    const computeMetrics = ({ predictions, labelIds }: { predictions: unknown; labelIds: unknown }) => {
      given.push(predictions, labelIds);
      return { mine: 3 };
    };
    const { metrics } = await evaluate(counting(), texts, { padTokenId, batchSize: 2, computeMetrics });
    expect(metrics).toEqual({ mine: 3 });
    expect(given).toEqual([
      [Int32Array.of(2 + 1, 4), Int32Array.of(5), Int32Array.of(3)].map((row, i) => (i ? row : Int32Array.of(2, 3, 4))),
      [Int32Array.of(2, 3, 5), Int32Array.of(5), Int32Array.of(3)],
    ]);
  });

  it("measures one label, and none is an error", async () => {
    const one = await evaluate(counting(), [example(1, 1, 2)], { padTokenId, batchSize: 1, metrics: ["accuracy"] });
    expect(one).toMatchObject({ labels: 1, accuracy: 1 });
    expect(await evaluate(counting(), [example(1, 1, 2)], { padTokenId, batchSize: 1 })).toEqual({
      ...{ loss: 0.75, perplexity: Math.exp(0.75), labels: 1 },
    });
    await expect(evaluate(counting(), [example(2, 1, 2)], { padTokenId, batchSize: 1 })).rejects.toThrow(
      "evaluate: no token of these examples is labelled; nothing can be measured",
    );
    await expect(evaluate(counting(), [], { padTokenId, batchSize: 1 })).rejects.toThrow(
      "evaluate: there are no examples",
    );
    const other = { padTokenId, batchSize: 1, metrics: ["f1"] } as const;
    await expect(evaluate(counting(), texts, other)).rejects.toThrow(
      'evaluate: metrics lists "f1", which is not available for this model; available: accuracy, exactMatch',
    );
  });

  it("averages a custom loss over its examples", async () => {
    const task = { collate: (xs: readonly number[]) => xs, loss: (_: unknown, xs: readonly number[]) => mean(xs) };
    const mean = (xs: readonly number[]) => tensor([xs.reduce((a, b) => a + b) / xs.length]);
    const xs = [1, 2, 4, 9, 4];
    for (const batchSize of [1, 2, 5]) {
      const { loss, labels } = await evaluate(parts() as never, xs, { ...task, batchSize } as never);
      expect({ loss, labels }).toEqual({ loss: 4, labels: 5 });
    }
    expect(await evaluate(parts() as never, [3], { ...task, batchSize: 1 } as never)).toMatchObject({ loss: 3 });
  });
});
