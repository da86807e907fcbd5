import { Generator, init, reference, scope, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";

const sizes = { vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 };
const llama = { model_type: "llama", ...sizes, num_key_value_heads: 1, max_position_embeddings: 16 };
const gpt2 = { model_type: "gpt2", vocab_size: 11, n_positions: 16, n_embd: 8, n_layer: 1, n_head: 2 };

beforeAll(async () => {
  await init(reference());
});

describe.each([
  ["llama", llama],
  ["gpt2", gpt2],
])("%s", (_, json) => {
  it.each(["bf16", "f16"] as const)(
    "computes with %s weights what it computes with the same numbers in f32",
    async (dtype) => {
      const config = parseModelConfig(json);
      const model = createModel(config, randomParameters(new Generator(1)));
      const files = memoryFiles(await modelFileContents(model, config, { dtype }));
      const inputs = () => ({
        inputIds: tensor([[1, 2, 3]], { dtype: "i32" }),
        labels: tensor([[1, 2, 3]], { dtype: "i32" }),
      });
      const results = [];
      for (const kept of ["f32", dtype] as const) {
        const loaded = await loadModel(files, { dtype: kept });
        expect(loaded.model.stateDict().values().next().value?.dtype).toBe(kept);
        const { logits, loss } = scope(() => loaded.model.forward(inputs()));
        const direct = scope(() => loaded.model.loss(inputs()));
        results.push([logits.dataSync(), loss?.dataSync(), direct.dataSync()]);
      }
      expect(results[1]).toEqual(results[0]);
    },
  );
});
