import { Generator, init, reference } from "@lowrank/core";
import { deferred } from "@lowrank/core/testing";
import { type CausalLM, createModel, generate, parseModelConfig, randomParameters } from "@lowrank/models";
import { beforeEach, describe, expect, it } from "vitest";
import { Trainer } from "./trainer.ts";
import type { TrainerOptions } from "./trainerOptions.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16 },
});
const examples = Array.from({ length: 12 }, (_, i) => {
  const inputIds = Array.from({ length: 4 + (i % 2) }, (_, t) => 1 + ((i + t) % 9));
  return { inputIds, labels: [...inputIds] };
});
const options: TrainerOptions = { padTokenId: 0, learningRate: 3e-2, batchSize: 4, maxSteps: 6 };
const prompts = [
  [4, 9],
  [5, 3, 1],
];

/** Trains a model and lets it go on with prompts. */
async function run(more: Partial<TrainerOptions> = {}) {
  const model = createModel(config, randomParameters(new Generator(5))) as CausalLM;
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
