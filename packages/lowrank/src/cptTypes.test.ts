import { crossEntropy, Generator, init, noGrad, reference, scope, slice, tensor } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { CPTConfig, getPeftModel } from "@lowrank/peft";
import { beforeAll, describe, expect, test } from "vitest";
import {
  collate,
  evaluate,
  measurePerplexity,
  packExamples,
  type TokenizedExample,
  Trainer,
  toExample,
  tokenizeExample,
} from "./index.gen.ts";

beforeAll(() => init(reference()));

const sizes = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 12, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, max_position_embeddings: 40, initializer_range: 0.5 },
});
const newModel = () => createModel(sizes, randomParameters(new Generator(5))).eval();
const config = (factor = 0.5) =>
  new CPTConfig({
    ...{ cptTokenIds: [5, 3, 1, 2], cptTokensTypeMask: [1, 2, 3, 4] },
    ...{ optWeightedLossType: "decay", optLossDecayFactor: factor, optProjectionEpsilon: 40 },
  });
/** Texts of several lengths, of which the second half is an answer. */
const examples = Array.from({ length: 5 }, (_, i): TokenizedExample => {
  const inputIds = Array.from({ length: 4 + (i % 3) }, (_, t) => 1 + ((i + t) % 9));
  return { inputIds, labels: [...inputIds], inputTypeMask: inputIds.map((_, t) => (t < 2 ? 2 : 4)) };
});

test("forward and loss agree, and the mask stays as it is", async () => {
  const peft = await getPeftModel(newModel(), config());
  const inputTypeMask = [[2, 2, 4, 4]];
  const ids = tensor([[1, 2, 3, 4]], { dtype: "i32" });
  const inputs = { inputIds: ids, labels: ids, inputTypeMask };
  const losses = Array.from({ length: 3 }, () => scope(() => peft.loss(inputs).itemSync()));
  expect(new Set(losses).size).toBe(1);
  expect(scope(() => peft.forward(inputs).loss!.itemSync())).toBeCloseTo(losses[0], 6);
  expect(inputTypeMask).toEqual([[2, 2, 4, 4]]);
  const whole = noGrad(() => peft.disableAdapter(() => newModel().loss(inputs).itemSync()));
  expect(noGrad(() => peft.disableAdapter(() => peft.loss(inputs).itemSync()))).toBeCloseTo(whole, 6);
});

test("perplexity covers the tokens of the text alone", async () => {
  const peft = await getPeftModel(newModel(), config());
  const tokenizer = { encode: () => [1, 2, 3, 4, 5], bosTokenId: null, decode: () => "a b" } as never;
  const { tokenPerplexity, tokens } = await measurePerplexity(peft.baseModel, tokenizer, ["a b"]);
  const inputIds = tensor([[1, 2, 3, 4, 5]], { dtype: "i32" });
  const { logits } = noGrad(() => peft.forward({ inputIds }));
  // The last virtual token, at position 3, predicts the first token.
  const predicting = slice(logits, { dim: 1, start: 3, end: 8 });
  expect(tokens).toBe(5);
  expect(tokenPerplexity).toBeCloseTo(Math.exp(crossEntropy(predicting, inputIds).itemSync()), 4);
});

test("a loss over several batches is the mean over all labels, those of the context too", async () => {
  const peft = await getPeftModel(newModel(), config());
  const padding = { padTokenId: 0 };
  const all = await evaluate(peft, examples, { ...padding, batchSize: 5 });
  const parts = await evaluate(peft, examples, { ...padding, batchSize: 2 });
  // Each example has one label of the context, and the labels of its answer.
  expect(all.labels).toBe(examples.reduce((sum, { inputIds }) => sum + 1 + inputIds.length - 2, 0));
  expect(parts.labels).toBe(all.labels);
  expect(parts.loss).toBeCloseTo(all.loss, 5);
  const withMetric = await evaluate(peft, examples, { ...padding, batchSize: 2, metrics: ["accuracy"] });
  expect(withMetric.loss).toBeCloseTo(all.loss, 5);
});

test("a Trainer with parts of batches makes the same steps as one with whole batches", async () => {
  const settings = { padTokenId: 0, learningRate: 0.01, maxSteps: 3, shuffle: false };
  const run = async (batchSize: number, gradientAccumulationSteps: number) => {
    const peft = await getPeftModel(newModel(), config());
    const four = examples.slice(0, 4);
    return (await new Trainer(peft, four, { ...settings, batchSize, gradientAccumulationSteps }).train()).losses;
  };
  const [whole, parts] = [await run(4, 1), await run(2, 2)];
  for (const [i, loss] of whole.entries()) expect(parts[i]).toBeCloseTo(loss, 4);
  expect(whole.at(-1)).toBeLessThan(whole[0]);
});

describe("types of examples", () => {
  test("are padded with 0 and cut", () => {
    const { inputTypeMask } = collate(examples.slice(0, 2), { padTokenId: 0 });
    expect([...inputTypeMask!]).toEqual([2, 2, 4, 4, 0, 2, 2, 4, 4, 4]);
    expect([...collate(examples.slice(0, 1), { padTokenId: 0, maxLength: 3 }).inputTypeMask!]).toEqual([2, 2, 4]);
  });

  test("are given for all examples of a batch and for all tokens, or not at all", () => {
    const { inputTypeMask: _, ...without } = examples[1];
    expect(collate([without], { padTokenId: 0 })).not.toHaveProperty("inputTypeMask");
    expect(() => collate([examples[0], without], { padTokenId: 0 })).toThrow(
      "only some examples have an inputTypeMask, example 1 has none",
    );
    expect(() => collate([{ ...without, inputTypeMask: [4] }], { padTokenId: 0 })).toThrow(
      "example 0 has 5 tokens and 1 types; expected as many types as tokens",
    );
    expect(() => collate([{ ...without, inputTypeMask: [1, 2, 3, 4, 0.5] }], { padTokenId: 0 })).toThrow(
      "example 0 has the type 0.5; expected integers",
    );
  });

  test("stay with their tokens when examples are packed", () => {
    const [{ inputTypeMask }] = packExamples([examples[0], examples[3]], { blockSize: 8 });
    expect(inputTypeMask).toEqual([...examples[0].inputTypeMask!, ...examples[3].inputTypeMask!]);
  });

  test("come from the column input_type_mask", async () => {
    const tokenizer = { encode: () => [3, 4], eosTokenId: null, applyChatTemplate: () => "" };
    const example = toExample({ value: { text: "a", input_type_mask: [2, 4] }, where: "line 1" });
    expect((await tokenizeExample(tokenizer, example)).inputTypeMask).toEqual([2, 4]);
    await expect(tokenizeExample(tokenizer, { text: "a", inputTypeMask: [4] })).rejects.toThrow(
      "an example with inputTypeMask has 2 tokens and 1 types",
    );
    expect(() => toExample({ value: { text: "a", input_type_mask: "2" }, where: "line 1" })).toThrow(
      'line 1: input_type_mask is "2"; expected a list of integers, one for each token',
    );
  });
});

test("a training without labels is an error", async () => {
  const peft = await getPeftModel(newModel(), new CPTConfig());
  const untyped = examples.map(({ inputTypeMask: _, ...example }) => example);
  await expect(
    new Trainer(peft, untyped, { padTokenId: 0, batchSize: 2, maxSteps: 1, learningRate: 0.1 }).train(),
  ).rejects.toThrow(/label/);
  await expect(evaluate(peft, untyped, { padTokenId: 0, batchSize: 2 })).rejects.toThrow("no token of these examples");
});

test("a model without such an adapter ignores types", () => {
  const ids = tensor([[1, 2]], { dtype: "i32" });
  const inputs = { inputIds: ids, labels: ids };
  const losses = [{}, { inputTypeMask: [[1, 1]] }].map((more) =>
    noGrad(() =>
      newModel()
        .loss({ ...inputs, ...more })
        .itemSync(),
    ),
  );
  expect(losses[0]).toBe(losses[1]);
});
