import { embedding, Generator, init, reference, tensor } from "@lowrank/core";
import type { Embedding } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { randomParameters } from "../../model/parameters.ts";
import { createModel } from "../../registry/build/createModel.ts";
import { parseClassifierConfig } from "../../registry/configs/modelConfig.ts";

beforeAll(() => init(reference()));

const ids = (rows: number[][]) => tensor(rows, { dtype: "i32" });

test.each(["cls", "mean"])("virtual tokens count in the rows of %s as tokens do", (classifier_pooling) => {
  const config = parseClassifierConfig({
    ...{ model_type: "modernbert", vocab_size: 19, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 2 },
    ...{ num_attention_heads: 2, max_position_embeddings: 32, pad_token_id: 0, classifier_pooling },
  });
  const draw = randomParameters(new Generator(3));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start));
  model.eval();
  const mask = (row: number[]) => tensor([row], { dtype: "u8" });
  const answer = (row: number[], seen?: number[]) => [
    ...model.forward({ inputIds: ids([row]), ...(seen && { attentionMask: mask(seen) }) }).logits.dataSync(),
  ];
  const expected = [answer([5, 6, 7, 8, 9]), answer([5, 6, 7, 8, 0], [1, 1, 1, 1, 0])];
  const table = model.getSubmodule("model.embeddings.tok_embeddings") as Embedding;
  const rows = embedding(table.weight, tensor([5, 6], { dtype: "i32" }));
  model.virtualTokens = { kind: "embeddings", count: 2, rows: () => rows };
  const found = [answer([7, 8, 9]), answer([7, 8, 0], [1, 1, 0])];
  for (const [i, logits] of found.entries()) {
    for (const [j, logit] of logits.entries()) expect(logit).toBeCloseTo(expected[i][j], 5);
  }
});
