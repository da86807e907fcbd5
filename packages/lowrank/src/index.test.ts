import { expect, test } from "vitest";
import * as lowrank from "./index.gen.ts";

const config = {
  model_type: "llama",
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 16,
  tie_word_embeddings: true,
};

const shapes: Record<string, number[]> = {
  "model.embed_tokens.weight": [11, 8],
  "model.layers.0.input_layernorm.weight": [8],
  "model.layers.0.self_attn.q_proj.weight": [8, 8],
  "model.layers.0.self_attn.k_proj.weight": [4, 8],
  "model.layers.0.self_attn.v_proj.weight": [4, 8],
  "model.layers.0.self_attn.o_proj.weight": [8, 8],
  "model.layers.0.post_attention_layernorm.weight": [8],
  "model.layers.0.mlp.gate_proj.weight": [12, 8],
  "model.layers.0.mlp.up_proj.weight": [12, 8],
  "model.layers.0.mlp.down_proj.weight": [8, 12],
  "model.norm.weight": [8],
};

function modelFiles(): lowrank.ModelFiles {
  const tensors = Object.entries(shapes).map(([name, shape], i) => {
    const values = Float32Array.from({ length: lowrank.sizeOf(shape) }, (_, j) => Math.sin(i + 7 * j));
    return { name, dtype: "f32" as const, shape, bytes: new Uint8Array(values.buffer) };
  });
  return lowrank.memoryFiles({
    "config.json": JSON.stringify(config),
    "model.safetensors": lowrank.writeSafetensors(tensors, { format: "pt" }),
  });
}

test("one import loads a model and adapts it", async () => {
  await lowrank.init(lowrank.wasm());
  const { model } = await lowrank.loadModel(modelFiles());
  const before = await lowrank.generate(model, [[1, 2, 3]], { maxNewTokens: 4 });
  const peft = await lowrank.getPeftModel(model, new lowrank.LoraConfig({ r: 2, targetModules: "all-linear" }));
  expect(await lowrank.generate(model, [[1, 2, 3]], { maxNewTokens: 4 })).toEqual(before);
  const trained = [...peft.namedParameters()].filter(([, parameter]) => parameter.requiresGrad);
  expect(trained.length).toBe(14);
});

test("a backend that was chosen stays", async () => {
  const backend = await lowrank.init(lowrank.reference());
  await lowrank.loadModel(modelFiles());
  expect(lowrank.currentBackend()).toBe(backend);
});
