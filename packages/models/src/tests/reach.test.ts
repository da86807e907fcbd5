import { Generator, init, reference, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig } from "../registry/configs/modelConfig.ts";

beforeAll(() => init(reference()));

const ids = (rows: number[][]): Tensor => tensor(rows, { dtype: "i32" });
const text = [3, 7, 11, 5, 13, 4, 9, 6];

function modernBert(layerTypes: string[]) {
  const config = parseClassifierConfig({
    ...{ model_type: "modernbert", vocab_size: 19, hidden_size: 16, intermediate_size: 12, pad_token_id: 0 },
    ...{ num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32, local_attention: 4 },
    layer_types: layerTypes,
  });
  const draw = randomParameters(new Generator(3));
  return createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start)).eval();
}

const firstRow = (hidden: Tensor) => [...(hidden.dataSync() as Float32Array).slice(0, 16)];

test("a token sees two positions on either side of its own, and no farther", () => {
  const model = modernBert(["sliding_attention"]);
  const first = firstRow(model.hidden({ inputIds: ids([text]) }));
  expect(firstRow(model.hidden({ inputIds: ids([[...text.slice(0, 3), 1, 1, 1, 1, 1]]) }))).toEqual(first);
  expect(firstRow(model.hidden({ inputIds: ids([[...text.slice(0, 2), 1, ...text.slice(3)]]) }))).not.toEqual(first);
  const whole = modernBert(["full_attention"]);
  expect(firstRow(whole.hidden({ inputIds: ids([[...text.slice(0, 7), 1]]) }))).not.toEqual(
    firstRow(whole.hidden({ inputIds: ids([text]) })),
  );
});

test("padding within reach is not seen", () => {
  const model = modernBert(["sliding_attention"]);
  const attentionMask = tensor([[1, 1, 0, 0]], { dtype: "u8" });
  const padded = firstRow(model.hidden({ inputIds: ids([[3, 7, 0, 0]]), attentionMask }));
  for (const [i, x] of firstRow(model.hidden({ inputIds: ids([[3, 7]]) })).entries()) {
    expect(padded[i]).toBeCloseTo(x, 5);
  }
});
