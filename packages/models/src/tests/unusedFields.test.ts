import { init, reference, type Tensor, tensor } from "@lowrank/core";
import { expect, test } from "vitest";
import { debertaV2 } from "../architectures/deberta-v2/model.ts";
import { JsonFields } from "../config/jsonFields.ts";
import type { ParameterSource } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { filled } from "../testing/waveWeights.ts";

await init(reference());

/** A stack of layers without a head. */
interface StackLike {
  namedParameters(): Iterable<readonly [string, unknown]>;
  eval(): this;
  forward(inputs: { inputIds: Tensor }): Tensor;
}

const sizes = { vocab_size: 11, hidden_size: 8, num_attention_heads: 2, intermediate_size: 8 };
const ids = (row: number[]): Tensor => tensor([row], { dtype: "i32" });
const near = (found: Iterable<number>, expected: readonly number[]) => {
  const values = [...found];
  for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, 4);
};

const deberta = (more: object) =>
  debertaV2.readConfig(
    new JsonFields(
      { ...sizes, num_hidden_layers: 1, max_position_embeddings: 8, pos_att_type: "c2p|p2c", ...more },
      "config.json",
    ),
  );

// The expected values come from transformers 5.24.
test("DeBERTa without relative attention divides its scores by the terms that it leaves out", async () => {
  const config = deberta({ relative_attention: false });
  const model = filled((source) => debertaV2.create!(config, source as ParameterSource) as unknown as StackLike).eval();
  const hidden = await model.forward({ inputIds: ids([1, 2, 3, 4]) }).data();
  near(hidden.slice(8, 16), [-0.216272, 0.456404, -0.084329, 1.46066, 1.243891, -0.580185, -1.575546, 0.540626]);
  expect(deberta({}).relativeAttention).toBe(false);
});

const smollm3 = {
  ...{ ...sizes, model_type: "smollm3", num_hidden_layers: 2, num_key_value_heads: 2, max_position_embeddings: 16 },
  ...{ no_rope_layers: [1, 0], use_sliding_window: false, tie_word_embeddings: true, pad_token_id: 0 },
};
const sliding = ["sliding_attention", "sliding_attention"];

test.each([
  ["have the window, though use_sliding_window is false", sliding, 1.121964, 0.674672],
  ["of full attention have none", ["full_attention", "full_attention"], 1.328168, 0.503169],
])("SmolLM3: layers %s", (_, layer_types, ...expected) => {
  const config = parseModelConfig({ ...smollm3, sliding_window: 2, layer_types });
  const model = filled((source) => createModel(config, source as ParameterSource)).eval();
  near(model.nextLogits({ inputIds: ids([1, 2, 3, 4, 5, 6]) }).dataSync(), expected as number[]);
});

test("sliding layers without a window throw an error that names the field", () => {
  expect(() => parseModelConfig({ ...smollm3, layer_types: sliding })).toThrow("sliding_window");
  const qwen = { ...sizes, model_type: "qwen2", num_hidden_layers: 2, num_key_value_heads: 2, layer_types: sliding };
  expect(() => parseModelConfig(qwen)).toThrow("full_attention for every layer");
});
