import { copyInto, Generator, init, noGrad, reference, type Tensor, tensor } from "@lowrank/core";
import { createModel, parseClassifierConfig, randomParameters, type SequenceClassifier } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { beforeEach, expect, it } from "vitest";
import { evaluate } from "../../evaluation/evaluate.ts";
import { Trainer } from "../../trainer/trainer.ts";
import data from "./contrast.gen.json" with { type: "json" };
import { embed } from "./embed.ts";
import { multipleNegativesRanking } from "./multipleNegativesRanking.ts";

beforeEach(() => init(reference()));

const padTokenId = data.sizes.pad_token_id;

/** An encoder with the weights of conformance/python/contrast.py. */
function encoder(): SequenceClassifier {
  const config = parseClassifierConfig({ model_type: "bert", ...data.sizes });
  const model = createModel(config, randomParameters(new Generator(1)));
  // Pooler and head do not affect the embeddings.
  const stack = [...model.namedParameters()].filter(([name]) => !/pooler|classifier/.test(name));
  for (const [name, parameter] of model.namedParameters()) parameter.requiresGrad = !/pooler|classifier/.test(name);
  const plain = (name: string) => name.replace(/^bert\./, "");
  for (const [place, [name, parameter]] of stack.sort(([a], [b]) => (plain(a) < plain(b) ? -1 : 1)).entries()) {
    const values = Float32Array.from({ length: parameter.size }, (_, i) => {
      const value = (((i * 7919 + place * 104729) % 1009) / 504 - 1) * 0.3;
      return name.endsWith("LayerNorm.weight") ? 1 + value / 3 : value;
    });
    using made: Tensor = tensor(values, { shape: parameter.shape });
    noGrad(() => copyInto(parameter, made));
  }
  return model;
}

const text = (inputIds: number[]) => ({ inputIds });
const pairs = data.triplets.map(([anchor, positive]) => ({ anchor: text(anchor), positive: text(positive) }));
const triplets = data.triplets.map(([anchor, positive, negative]) => {
  return { anchor: text(anchor), positive: text(positive), negative: text(negative) };
});
const { batchSize } = data;
const training = { batchSize, shuffle: false, schedule: "constant", learningRate: 1e-2, maxSteps: 8 } as const;

it("embeddings are those of sentence-transformers' pooling, in whatever batches", async () => {
  const texts = data.triplets.slice(0, batchSize).map(([anchor]) => text(anchor));
  for (const size of [1, 4]) {
    const found = await embed(encoder(), texts, { padTokenId, batchSize: size });
    for (const [i, row] of found.entries()) {
      for (const [j, value] of row.entries()) expect(Math.abs(value - data.embeddings[i][j])).toBeLessThan(1e-5);
    }
  }
});

it.each([
  ["pairs", pairs],
  ["triplets", triplets],
  ["soft", triplets],
] as const)("8 steps on %s have the losses and gradients of sentence-transformers", async (name, examples) => {
  const { scale, losses, norms } = data.cases[name];
  const found: number[] = [];
  const task = multipleNegativesRanking({ padTokenId, ...(name === "soft" && { scale }) });
  const onStep = ({ gradNorm }: { gradNorm: number }) => void found.push(gradNorm);
  const result = await new Trainer(encoder(), [...examples], { ...training, ...task, onStep }).train();
  for (const [i, loss] of result.losses.entries()) {
    expect(Math.abs(loss - losses[i]), `loss of step ${i + 1}`).toBeLessThan(1e-4 * Math.max(1, losses[i]));
    expect(Math.abs(found[i] - norms[i]), `norm of step ${i + 1}`).toBeLessThan(1e-3 * norms[i]);
  }
});

it("trains LoRA on an encoder, and evaluates it", async () => {
  const peft = await getPeftModel(encoder(), new LoraConfig({ r: 4, targetModules: ["query", "value"] }));
  const task = multipleNegativesRanking({ padTokenId });
  const before = await evaluate(peft, pairs, { batchSize, ...task });
  await new Trainer(peft, pairs, { ...training, ...task, maxSteps: 24 }).train();
  expect((await evaluate(peft, pairs, { batchSize, ...task })).loss).toBeLessThan(before.loss - 0.2);
});

it("says what is wrong", async () => {
  const mixed = [triplets[0], pairs[1]];
  const task = multipleNegativesRanking({ padTokenId });
  await expect(new Trainer(encoder(), mixed, { ...training, ...task }).train()).rejects.toThrow(
    "multipleNegativesRanking: only some examples have a negative; give all examples a negative, or none",
  );
  expect(() => multipleNegativesRanking({ padTokenId, scale: 0 })).toThrow("scale is 0");
});
