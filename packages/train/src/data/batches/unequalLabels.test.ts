import { Generator, init, reference } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { beforeAll, expect, test } from "vitest";
import type { TrainerOptions } from "../../options/trainerOptions.ts";
import { Trainer } from "../../trainer/trainer.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16 },
});

/** Examples with 1, 9, 3 and 2 labels, so that two batches of two have 10 and 5. */
const examples = [1, 9, 3, 2].map((labelled, i) => {
  const inputIds = Array.from({ length: 12 }, (_, t) => 1 + ((3 * i + t * t) % 10));
  return { inputIds, labels: inputIds.map((id, t) => (t < 12 - labelled ? -100 : id)) };
});

/** Returns the losses and gradient norms of two steps. */
async function steps(parts: Pick<TrainerOptions, "batchSize" | "gradientAccumulationSteps">) {
  const options = { padTokenId: 0, learningRate: 3e-2, maxSteps: 2, shuffle: false, ...parts };
  const norms: number[] = [];
  const model = createModel(config, randomParameters(new Generator(5)));
  const trainer = new Trainer(model, examples, { ...options, onStep: ({ gradNorm }) => norms.push(gradNorm) });
  return { losses: (await trainer.train()).losses, norms };
}

beforeAll(async () => {
  await init(reference());
});

test("parts with unequal numbers of labels give the loss and the gradients of the whole batch", async () => {
  const whole = await steps({ batchSize: 4 });
  for (const [batchSize, gradientAccumulationSteps] of [
    [2, 2],
    [1, 4],
  ]) {
    const parts = await steps({ batchSize, gradientAccumulationSteps });
    for (const i of [0, 1]) {
      expect(parts.losses[i]).toBeCloseTo(whole.losses[i], 5);
      expect(parts.norms[i]).toBeCloseTo(whole.norms[i], 4);
    }
  }
});
