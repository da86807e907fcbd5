import { Generator, init, reference, tensor } from "@lowrank/core";
import { createModel, type ParameterSource, parseModelConfig, randomParameters } from "@lowrank/models";
import { Parameter } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { Trainer } from "./trainer.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16, tie_word_embeddings: false },
});

/** A model whose logit of token 3 is -Infinity. Only its output layer trains, and its gradients are finite. */
function modelWithoutToken3() {
  const random = randomParameters(new Generator(5));
  const source: ParameterSource = (name, shape, init) => {
    if (name === "model.embed_tokens.weight") return random(name, shape, { value: 1 });
    if (name !== "lm_head.weight") return random(name, shape, init);
    const rows = Array.from({ length: 11 }, (_, token) => Array.from({ length: 8 }, () => (token === 3 ? -3e38 : 0)));
    return new Parameter(tensor(rows));
  };
  const model = createModel(config, source).setRequiresGrad(false);
  const [weight] = [...model.namedParameters()].filter(([name]) => name === "lm_head.weight").map(([, p]) => p);
  weight.requiresGrad = true;
  return { model, weight };
}

beforeAll(async () => {
  await init(reference());
});

test("a loss of Infinity stops the run before the weights change", async () => {
  const { model, weight } = modelWithoutToken3();
  const before = await weight.bytes();
  const examples = [{ inputIds: [1, 2, 3], labels: [1, 2, 3] }];
  const trainer = new Trainer(model, examples, { padTokenId: 0, learningRate: 1e-3, maxSteps: 2 });
  await expect(trainer.train()).rejects.toThrow(/loss.*\bInfinity\b/);
  expect(await weight.bytes()).toEqual(before);
});
