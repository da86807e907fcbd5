import { init, reference, type Tensor, tensor } from "@lowrank/core";
import { describe, expect, test } from "vitest";
import type { ParameterSource } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { filled } from "../testing/waveWeights.ts";

await init(reference());

const scalings = {
  default: {},
  linear: { factor: 4 },
  dynamic: { factor: 2 },
  yarn: { factor: 4, original_max_position_embeddings: 32 },
  llama3: { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 },
  longrope: { short_factor: [1, 1.5], long_factor: [2, 4], original_max_position_embeddings: 64 },
};

/** Returns a Llama with up to 128 positions. */
function modelOf(type: keyof typeof scalings) {
  const config = parseModelConfig({
    ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, num_hidden_layers: 1, intermediate_size: 8 },
    ...{ num_attention_heads: 2, num_key_value_heads: 2, max_position_embeddings: 128, tie_word_embeddings: true },
    rope_parameters: { ...scalings[type], rope_type: type, rope_theta: 10_000 },
  });
  return filled((source) => createModel(config, source as ParameterSource)).eval();
}

const ids = (row: readonly number[]): Tensor => tensor([row], { dtype: "i32" });

/** The first logits of the last of tokens 1 to 4 at these positions, from transformers 5.24. */
const recorded: [keyof typeof scalings, number[], number[]][] = [
  ["default", [0, 30, 63, 5], [-0.37705, -1.2142, -0.86557, 0.32837]],
  ["default", [64, 100, 120, 70], [-0.91733, -1.55009, -0.66905, 0.86538]],
  ["default", [3, 90, 200, 17], [-0.87421, -1.0849, -0.23608, 0.84329]],
  ["linear", [0, 30, 63, 5], [-0.71929, -1.12055, -0.42749, 0.68306]],
  ["linear", [64, 100, 120, 70], [-0.8986, -1.23067, -0.36088, 0.86134]],
  ["linear", [3, 90, 200, 17], [-0.31989, -1.36393, -1.07596, 0.26278]],
  ["dynamic", [0, 30, 63, 5], [-0.37705, -1.2142, -0.86557, 0.32837]],
  ["dynamic", [64, 100, 120, 70], [-0.91733, -1.55009, -0.66905, 0.86538]],
  ["dynamic", [3, 90, 200, 17], [-0.82419, -1.2132, -0.41741, 0.78602]],
  ["yarn", [0, 30, 63, 5], [-1.17919, -2.47083, -1.34948, 1.08977]],
  ["yarn", [64, 100, 120, 70], [-1.25601, -2.0661, -0.85845, 1.18755]],
  ["yarn", [3, 90, 200, 17], [-0.7828, -1.14462, -0.38861, 0.74691]],
  ["llama3", [0, 30, 63, 5], [-1.29526, -2.54609, -1.31043, 1.20498]],
  ["llama3", [64, 100, 120, 70], [-0.90634, -1.56267, -0.69291, 0.85354]],
  ["llama3", [3, 90, 200, 17], [-0.76632, -1.15425, -0.41495, 0.72958]],
  ["longrope", [0, 30, 63, 5], [-0.49643, -1.45626, -0.99392, 0.43907]],
  ["longrope", [64, 100, 120, 70], [-1.40121, -2.20528, -0.8557, 1.32956]],
  ["longrope", [3, 90, 200, 17], [-0.41732, -0.9098, -0.51378, 0.38399]],
];

describe("given positions", () => {
  test.each(recorded)("%s, at %j: transformers' logits", async (type, positions, expected) => {
    const inputs = { inputIds: ids([1, 2, 3, 4]), positionIds: ids(positions) };
    const logits = modelOf(type).nextLogits({ ...inputs, maxPosition: Math.max(...positions) });
    const values = await logits.data();
    for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, 4);
  });

  test("without the largest one, tables reach the last position of the model", async () => {
    const [, positions, expected] = recorded[1];
    const logits = modelOf("default").nextLogits({ inputIds: ids([1, 2, 3, 4]), positionIds: ids(positions) });
    expect((await logits.data())[0]).toBeCloseTo(expected[0], 4);
  });

  test.each(["dynamic", "longrope"] as const)("%s needs the largest one", (type) => {
    const inputs = { inputIds: ids([1, 2]), positionIds: ids([3, 4]) };
    expect(() => modelOf(type).nextLogits(inputs)).toThrow(
      "depends on the largest position; give maxPosition, the largest value of positionIds",
    );
  });

  test("an invalid maxPosition, or one without positionIds, throws", () => {
    const inputIds = ids([1, 2]);
    expect(() => modelOf("default").nextLogits({ inputIds, maxPosition: 1 })).toThrow("maxPosition is 1 without");
    const inputs = { inputIds, positionIds: ids([0, 1]), maxPosition: -1 };
    expect(() => modelOf("default").nextLogits(inputs)).toThrow("maxPosition is -1; give the largest of positionIds");
  });
});
