import { Generator, init, reference } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import {
  tokenSeven as examples,
  tinyTraining as options,
  tinyClassifier,
  tinySizes,
} from "@lowrank/test-support/tinyClassifier";
import { beforeAll, describe, expect, it } from "vitest";
import { collateSequences, type LabelledSequence } from "../data/batches/collateSequences.ts";
import type { TokenizedExample } from "../data/tokens/tokenize.ts";
import { evaluate } from "../evaluation/evaluate.ts";
import { Trainer } from "./trainer.ts";

beforeAll(() => init(reference()));

describe("a sequence classifier", () => {
  it("learns to tell classes apart", async () => {
    const evaluation = { examples };
    const { evaluations } = await new Trainer(tinyClassifier(), examples, { ...options, evaluation }).train();
    const [before, after] = evaluations.map((one) => one.evaluation);
    expect(before).toMatchObject({ labels: 24 });
    expect(before.accuracy).toBeLessThan(0.8);
    expect(after.accuracy).toBe(1);
    expect(after.loss).toBeLessThan(0.1);
  });

  it("accumulates gradients to those of the whole batch", async () => {
    const losses = [];
    for (const [batchSize, gradientAccumulationSteps] of [
      [24, 1],
      [8, 3],
    ]) {
      const parts = { batchSize, gradientAccumulationSteps, shuffle: false, maxSteps: 3 };
      losses.push((await new Trainer(tinyClassifier(), examples, { ...options, ...parts }).train()).losses);
    }
    for (let i = 0; i < 3; i++) expect(losses[1][i]).toBeCloseTo(losses[0][i], 5);
  });

  it("learns numbers, and several labels at once", async () => {
    const numbers = examples.map(({ inputIds, label }) => ({ inputIds, label: (label as number) * 3 - 1 }));
    const regression = await new Trainer(tinyClassifier({ num_labels: 1 }), numbers, {
      ...options,
      learningRate: 5e-3,
      maxSteps: 60,
    }).train();
    expect(regression.losses.at(-1)).toBeLessThan(0.2 * regression.losses[0]);
    const several = examples.map(({ inputIds, label }) => ({ inputIds, label: [label as number, 1, 0] }));
    const model = tinyClassifier({ num_labels: 3, problem_type: "multi_label_classification" });
    const multi = await new Trainer(model, several, options).train();
    expect(multi.losses.at(-1)).toBeLessThan(0.5 * multi.losses[0]);
    expect(await evaluate(model, several, { padTokenId: 0, batchSize: 24 })).not.toHaveProperty("accuracy");
  });

  it("pads by the token of its config, by which Llama finds the last token", async () => {
    const llama = () => tinyClassifier({ model_type: "llama", pad_token_id: 2 });
    const model = llama();
    const rows = [
      { inputIds: [3, 4, 5, 6], label: 1 },
      { inputIds: [7, 8], label: 0 },
    ];
    const lossOf = async (more: object) => (await evaluate(model, rows, { batchSize: 2, ...more })).loss;
    const alone = await evaluate(model, rows, { batchSize: 1 });
    expect(await lossOf({})).toBeCloseTo(alone.loss, 5);
    expect(await lossOf({})).toBe(await lossOf({ padTokenId: 2 }));
    expect(Math.abs((await lossOf({ padTokenId: 9 })) - alone.loss)).toBeGreaterThan(1e-3);
    const losses = async (more: object) =>
      (await new Trainer(llama(), rows, { ...options, maxSteps: 3, padTokenId: undefined, ...more }).train()).losses;
    expect(await losses({})).toEqual(await losses({ padTokenId: 2 }));
  });

  it("learns from which of two texts a token is in", async () => {
    const pairs = Array.from({ length: 16 }, (_, i): LabelledSequence => {
      const inputIds = [2, 3, 4, 5, 6].slice(i % 2);
      const swapped = i % 4 < 2;
      return { inputIds, label: Number(swapped), tokenTypeIds: inputIds.map((_, t) => Number(t > 1 !== swapped)) };
    });
    const model = tinyClassifier();
    await new Trainer(model, pairs, options).train();
    const { accuracy } = await evaluate(model, pairs, { padTokenId: 0, batchSize: 16 });
    expect(accuracy).toBe(1);
    expect(collateSequences(pairs.slice(0, 2), { padTokenId: 0 }).tokenTypeIds).toEqual(
      Int32Array.of(...pairs[0].tokenTypeIds!, ...pairs[1].tokenTypeIds!, 0),
    );
    expect(() => collateSequences([{ inputIds: [1, 2], label: 0, tokenTypeIds: [0] }], { padTokenId: 0 })).toThrow(
      "2 tokens and 1 tokenTypeIds",
    );
  });

  it("labels of the other kind are refused", async () => {
    const tokens: TokenizedExample = { inputIds: [1, 2], labels: [1, 2] };
    await expect(new Trainer(tinyClassifier(), [tokens], options).train()).rejects.toThrow(
      "give each example one label",
    );
    await expect(new Trainer(tinyClassifier(), [tokens, examples[0]], options).train()).rejects.toThrow(
      "give one kind",
    );
    const llama = parseModelConfig({ model_type: "llama", ...tinySizes, max_position_embeddings: 16 });
    const lm = createModel(llama, randomParameters(new Generator(5)));
    await expect(new Trainer(lm, examples, options).train()).rejects.toThrow("give labels for tokens");
    expect(() =>
      collateSequences(
        [
          { inputIds: [1], label: [1, 0] },
          { inputIds: [1], label: 1 },
        ],
        { padTokenId: 0 },
      ),
    ).toThrow("example 1 has 1 labels and example 0 has 2");
  });
});
