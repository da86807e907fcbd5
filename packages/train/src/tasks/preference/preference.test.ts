import { copyInto, Generator, init, noGrad, reference, type Tensor, tensor } from "@lowrank/core";
import { createModel, parseClassifierConfig, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { beforeEach, describe, expect, it } from "vitest";
import { collate } from "../../data/batches/collate.ts";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";
import type { ExampleTokenizer, TokenizedExample } from "../../data/tokens/tokenize.ts";
import { evaluate } from "../../evaluation/evaluate.ts";
import data from "../../testing/preference.json" with { type: "json" };
import { Trainer } from "../../trainer/trainer.ts";
import { type LanguageModel, sequenceLogps } from "../languageModel.ts";
import { distillation } from "./distillation.ts";
import { dpo } from "./dpo.ts";
import { evaluatePreferences } from "./evaluatePreferences.ts";
import { kto } from "./kto.ts";
import { orpo } from "./orpo.ts";
import { tokenizePreference } from "./preferenceBatch.ts";
import { reward } from "./rewardModel.ts";

beforeEach(() => init(reference()));

const config = { model_type: "llama", ...data.sizes };
const { pad_token_id: padTokenId, eos_token_id: eos } = data.sizes;

/** Sets a model's weights to the values in conformance/python/preference.py. */
function withWeights<M extends { namedParameters(): Iterable<[string, Tensor]> }>(model: M, shift = 0): M {
  const parameters = [...model.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [place, [name, parameter]] of parameters.entries()) {
    const values = Float32Array.from({ length: parameter.size }, (_, i) => {
      const value = (((i * 7919 + (place + shift) * 104729) % 1009) / 504 - 1) * 0.3;
      return name.includes("norm") ? 1 + value / 3 : value;
    });
    using made = tensor(values, { shape: parameter.shape });
    noGrad(() => copyInto(parameter, made));
  }
  return model;
}
const random = () => randomParameters(new Generator(1));
const causal = (shift = 0) => withWeights(createModel(parseModelConfig(config), random()), shift);

const answer = (prompt: number[], ids: number[]): TokenizedExample => ({
  inputIds: [...prompt, ...ids, eos],
  labels: [...prompt.map(() => ignoreIndex), ...ids, eos],
});
const pairs = data.pairs.map(({ prompt, chosen, rejected }) => ({
  chosen: answer(prompt, chosen),
  rejected: answer(prompt, rejected),
}));
const kinds = pairs.map(({ chosen, rejected }, i) => ({ ...(i % 3 ? chosen : rejected), desirable: i % 3 > 0 }));

const { batchSize } = data;
const training = { batchSize, shuffle: false, schedule: "constant", learningRate: 1e-2, maxSteps: 20 } as const;

/** Compares with TRL's steps, whose f32 sums have another order. */
function expectLosses(losses: readonly number[], expected: readonly number[]): void {
  expect(losses).toHaveLength(expected.length);
  for (const [i, loss] of losses.entries()) {
    expect(Math.abs(loss - expected[i]), `step ${i + 1}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected[i])));
  }
}

describe("20 steps have the losses of TRL", () => {
  it.each(["sigmoid", "hinge", "ipo"] as const)("dpo, %s", async (lossType) => {
    const task = dpo({ padTokenId, lossType, referenceModel: causal() });
    const { losses } = await new Trainer(causal(), pairs, { ...training, ...task }).train();
    expectLosses(losses, data.losses[`dpo ${lossType}`]);
  });

  it("orpo", async () => {
    const { losses } = await new Trainer(causal(), pairs, { ...training, ...orpo({ padTokenId }) }).train();
    expectLosses(losses, data.losses.orpo);
  });

  it("kto", async () => {
    const weights = { desirableWeight: 1.5, undesirableWeight: 0.5 };
    const task = kto({ padTokenId, ...weights, referenceModel: causal() });
    const { losses } = await new Trainer(causal(), kinds, { ...training, ...task }).train();
    expectLosses(losses, data.losses.kto);
  });

  it("reward", async () => {
    const model = withWeights(createModel(parseClassifierConfig({ ...config, num_labels: 1 }), random()));
    const task = reward({ padTokenId, centerRewardsCoefficient: 0.01 });
    const { losses } = await new Trainer(model, pairs, { ...training, ...task }).train();
    expectLosses(losses, data.losses.reward);
  });
});

it("distillation has the divergences of TRL", async () => {
  const examples = pairs.slice(0, batchSize).map(({ chosen }) => chosen);
  for (const [beta, temperature, expected] of data.losses.distillation) {
    const task = distillation({ padTokenId, teacher: causal(5), beta, temperature });
    const { loss } = await evaluate(causal(), examples, { ...task, batchSize });
    expect(Math.abs(loss / expected - 1), `beta ${beta}, temperature ${temperature}`).toBeLessThan(1e-4);
  }
});

it("distillation is a mean, of a single learned token too", async () => {
  const { chosen } = pairs[0];
  const last = chosen.inputIds.length - 1;
  const one = { ...chosen, labels: Array.from(chosen.inputIds, (id, i) => (i === last ? id : -100)) };
  const task = distillation({ padTokenId, teacher: causal(5) });
  const lossOf = async (examples: TokenizedExample[]) =>
    (await evaluate(causal(), examples, { ...task, batchSize })).loss;
  expect(await lossOf([one])).toBeCloseTo(await lossOf([one, one]), 6);
});

describe("an adapter", () => {
  const adapted = () => {
    const lora = new LoraConfig({ r: 4, targetModules: "all-linear", taskType: "CAUSAL_LM" });
    return getPeftModel(causal(), lora, { generator: new Generator(2) });
  };
  const some = pairs.slice(0, 24);

  it("learns to prefer, beside the model without it", async () => {
    const model = await adapted();
    const before = await evaluatePreferences(model, some, { padTokenId });
    expect(before).toMatchObject({ chosen: 0, rejected: 0, margin: 0, accuracy: 0 });
    const first = await new Trainer(model, some, { ...training, maxSteps: 1, ...dpo({ padTokenId }) }).train();
    expect(first.losses[0]).toBeCloseTo(Math.LN2, 5);
    await new Trainer(model, some, { ...training, maxSteps: 40, ...dpo({ padTokenId }) }).train();
    const after = await evaluatePreferences(model, some, { padTokenId });
    expect(after.margin).toBeGreaterThan(0.5);
    expect(after.accuracy).toBeGreaterThan(0.9);
    expect(after.chosen - after.rejected).toBeCloseTo(after.margin, 6);
  });

  it("learns from a teacher", async () => {
    const model = await adapted();
    const teacher = causal(5);
    const examples = some.map(({ chosen }) => chosen);
    const task = distillation({ padTokenId, teacher });
    const before = await evaluate(model, examples, { ...task, batchSize });
    await new Trainer(model, examples, { ...training, maxSteps: 30, ...task }).train();
    expect((await evaluate(model, examples, { ...task, batchSize })).loss).toBeLessThan(0.7 * before.loss);
  });

  it("learns good and bad answers, in batches of one too", async () => {
    const model = await adapted();
    const task = kto({ padTokenId });
    const before = await evaluate(model, kinds.slice(0, 9), { ...task, batchSize });
    await new Trainer(model, kinds.slice(0, 9), { ...training, batchSize: 4, maxSteps: 30, ...task }).train();
    expect((await evaluate(model, kinds.slice(0, 9), { ...task, batchSize })).loss).toBeLessThan(0.9 * before.loss);
    expect((await evaluate(model, kinds.slice(0, 1), { ...task, batchSize })).loss).toBeGreaterThan(0);
  });
});

describe("answers of one token", () => {
  const oneToken = pairs.slice(0, 2).map(({ chosen, rejected }) => {
    const cut = ({ inputIds, labels }: TokenizedExample) => {
      const length = 1 + labels.findIndex((label) => label !== ignoreIndex);
      return { inputIds: inputIds.slice(0, length), labels: labels.slice(0, length) };
    };
    return { chosen: cut(chosen), rejected: cut(rejected) };
  });
  const logpsOf = (model: LanguageModel, answers: TokenizedExample[]) => [
    ...noGrad(() => sequenceLogps(model, collate(answers, { padTokenId }))).dataSync(),
  ];
  const [chosen, rejected] = [oneToken.map((pair) => pair.chosen), oneToken.map((pair) => pair.rejected)];
  const meanOf = (values: number[]) => values.reduce((a, b) => a + b) / values.length;

  it("have the log-probability itself as their mean in ipo", async () => {
    const [model, referenceModel] = [causal(), causal(5)];
    const ratios = (answers: TokenizedExample[]) => {
      const before = logpsOf(referenceModel, answers);
      return logpsOf(model, answers).map((value, i) => value - before[i]);
    };
    const [better, worse] = [ratios(chosen), ratios(rejected)];
    const expected = meanOf(better.map((value, i) => (value - worse[i] - 1 / (2 * 0.1)) ** 2));
    const task = dpo({ padTokenId, lossType: "ipo", referenceModel });
    expect((await evaluate(model, oneToken, { ...task, batchSize: 2 })).loss).toBeCloseTo(expected, 4);
  });

  it("and in orpo", async () => {
    const model = causal();
    const odds = (answers: TokenizedExample[]) =>
      logpsOf(model, answers).map((value) => value - Math.log(1 - Math.exp(value)));
    const [better, worse] = [odds(chosen), odds(rejected)];
    const whole = chosen.map(({ inputIds }) => ({ inputIds, labels: inputIds }));
    const tokens = whole.reduce((sum, { inputIds }) => sum + inputIds.length - 1, 0);
    const likelihood = -logpsOf(model, whole).reduce((a, b) => a + b) / tokens;
    const ratio = meanOf(better.map((value, i) => -Math.log(1 + Math.exp(worse[i] - value))));
    const { loss } = await evaluate(model, oneToken, { ...orpo({ padTokenId }), batchSize: 2 });
    expect(loss).toBeCloseTo(likelihood - 0.1 * ratio, 4);
  });
});

describe("bad input", () => {
  it("a model without adapter needs a reference", async () => {
    const run = new Trainer(causal(), pairs, { ...training, ...dpo({ padTokenId }) }).train();
    await expect(run).rejects.toThrow("dpo: the model has no adapter to disable; give a referenceModel");
  });

  it("numbers that mean nothing", () => {
    expect(() => dpo({ padTokenId, beta: 0 })).toThrow("dpo: beta is 0; give a number above 0");
    expect(() => dpo({ padTokenId, lossType: "sigmoidal" as never })).toThrow('lossType is "sigmoidal"; give one of');
    for (const beta of [-1, 0]) expect(() => kto({ padTokenId, beta })).toThrow(`kto: beta is ${beta}; give a number`);
    for (const beta of [0, 0.5]) expect(() => orpo({ padTokenId, beta })).not.toThrow();
    for (const beta of [0, 1]) expect(() => distillation({ padTokenId, teacher: causal(), beta })).not.toThrow();
    for (const task of [kto, dpo]) expect(() => task({ padTokenId, beta: 0.5 })).not.toThrow();
    expect(() => orpo({ padTokenId, beta: Number.NaN })).toThrow("orpo: beta is NaN");
    const teacher = causal();
    expect(() => distillation({ padTokenId, teacher, beta: 2 })).toThrow("distillation: beta is 2; give a number from");
    expect(() => distillation({ padTokenId, teacher, temperature: 0 })).toThrow("distillation: temperature is 0");
  });

  it("a teacher of another vocabulary", async () => {
    const teacher = createModel(parseModelConfig({ ...config, vocab_size: 30 }), random());
    const run = evaluate(causal(), [pairs[0].chosen], { ...distillation({ padTokenId, teacher }), batchSize });
    await expect(run).rejects.toThrow("distillation: the student's logits are [1,");
  });

  it("a classifier of two labels is no reward model", async () => {
    const model = createModel(parseClassifierConfig({ ...config, num_labels: 2 }), random());
    const run = evaluate(model, pairs.slice(0, 2), { ...reward({ padTokenId }), batchSize });
    await expect(run).rejects.toThrow(
      "reward: the model gives 2 logits for a text, expected 1; load it with numLabels 1",
    );
  });
});

describe("tokenizePreference", () => {
  const tokenizer: ExampleTokenizer = {
    encode: (text) => Array.from(text, (letter) => letter.codePointAt(0)!),
    eosTokenId: 1,
    applyChatTemplate: (messages, { addGenerationPrompt = false } = {}) =>
      `${messages.map(({ role, content }) => `${role[0]}:${content};`).join("")}${addGenerationPrompt ? "a:" : ""}`,
  };
  it("adds no special tokens to a rendered conversation", async () => {
    const encode = (text: string, { addSpecialTokens = true } = {}) => [
      ...(addSpecialTokens ? [7] : []),
      ...tokenizer.encode(text),
    ];
    const say = (role: string, content: string) => [{ role, content }];
    const pair = { prompt: say("user", "a"), chosen: say("assistant", "b"), rejected: say("assistant", "c") };
    const { chosen } = await tokenizePreference({ ...tokenizer, encode }, pair);
    expect(String.fromCodePoint(...chosen.inputIds)).toBe("u:a;a:b;");
  });

  const learned = ({ inputIds, labels }: TokenizedExample) =>
    String.fromCodePoint(...inputIds.filter((id, i) => labels[i] === id && id !== 1));

  it("learns the answers of texts, and of conversations their last turns alone", async () => {
    const texts = await tokenizePreference(tokenizer, { prompt: "say ", chosen: "yes", rejected: "no" });
    expect([learned(texts.chosen), learned(texts.rejected)]).toEqual(["yes", "no"]);
    const turn = (role: string, content: string) => ({ role, content });
    const chat = await tokenizePreference(tokenizer, {
      prompt: [turn("user", "hi"), turn("assistant", "hello"), turn("user", "bye?")],
      chosen: [turn("assistant", "bye")],
      rejected: [turn("assistant", "hello")],
    });
    expect([learned(chat.chosen), learned(chat.rejected)]).toEqual(["bye;", "hello;"]);
  });

  it("refuses a template that changes the prompt", async () => {
    const odd = { ...tokenizer, applyChatTemplate: (messages: readonly unknown[]) => `${messages.length}` };
    const say = (content: string) => [{ role: "user", content }];
    const run = tokenizePreference(odd, { prompt: say("a"), chosen: say("b"), rejected: say("c") });
    await expect(run).rejects.toThrow(
      "chosen: the chat template renders the prompt differently when an answer follows; give prompt and answers as texts instead of messages",
    );
  });
});
