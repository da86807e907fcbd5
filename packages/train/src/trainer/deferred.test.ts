import { init, reference } from "@lowrank/core";
import { deferred } from "@lowrank/core/testing";
import { generate } from "@lowrank/models";
import { beforeEach, describe, expect, it } from "vitest";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { examples, tinyLlama } from "../testing/tinyRun.ts";
import { Trainer } from "./trainer.ts";

const options: TrainerOptions = { padTokenId: 0, learningRate: 3e-2, batchSize: 4, maxSteps: 6 };
const prompts = [
  [4, 9],
  [5, 3, 1],
];

/** Trains a model and then continues prompts with it. */
async function run(more: Partial<TrainerOptions> = {}) {
  const model = tinyLlama();
  const { losses, evaluations } = await new Trainer(model, examples, { ...options, ...more }).train();
  const settings = { maxNewTokens: 5, repetitionPenalty: 1.2 };
  return {
    losses,
    evaluations,
    greedy: await generate(model, prompts, settings),
    sampled: await generate(model, prompts, { ...settings, doSample: true, topK: 8, topP: 0.9, minP: 0.02 }),
  };
}

beforeEach(() => init(reference()));

describe("a backend that only records trains and generates as the reference does", () => {
  it.each([
    ["AdamW", { evaluation: { examples, every: 3 } }],
    ["AdamW in 8 bits, over several batches", { optimizer: "adamw8bit", gradientAccumulationSteps: 2 }],
  ] as [string, Partial<TrainerOptions>][])("%s", async (_name, more) => {
    const expected = await run(more);
    await init(deferred());
    expect(await run(more)).toEqual(expected);
  });

  it("and refuses a step that is not finite", async () => {
    await init(deferred());
    await expect(run({ learningRate: 1e39, schedule: "constant" })).rejects.toThrow(
      "the update of step 1 is not finite",
    );
    await expect(run({ learningRate: 1e30, maxGradNorm: 0 })).rejects.toThrow(/of step 2 is (NaN|Infinity).*, in its/);
  });
});
