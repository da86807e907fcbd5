import { Generator, init, reference, tensor } from "@lowrank/core";
import { Dropout, Linear, Parameter, quantize } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import { generate } from "../generation/decoding/generate.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig, parseModelConfig } from "../registry/configs/modelConfig.ts";
import { type ParameterSource, randomParameters } from "./parameters.ts";

beforeAll(() => init(reference()));

const sizes = {
  ...{ vocab_size: 19, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 3, num_attention_heads: 2 },
  ...{ num_key_value_heads: 1, max_position_embeddings: 32, sliding_window: 3, head_dim: 8, global_head_dim: 8 },
  ...{ bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, hidden_size_per_layer_input: 0, local_attention: 4 },
  ...{ block_multiple_of: 4, use_sliding_window: true },
};

/** Fields of each architecture with an entry for each layer. */
const perLayer: Record<string, { layer_types?: string[]; no_rope_layers?: number[] }> = {
  llama: {},
  gemma3_text: { layer_types: ["sliding_attention", "full_attention", "sliding_attention"] },
  gemma4_text: { layer_types: ["sliding_attention", "sliding_attention", "full_attention"] },
  smollm3: { layer_types: ["full_attention", "sliding_attention", "full_attention"], no_rope_layers: [1, 0, 1] },
  lfm2: { layer_types: ["conv", "full_attention", "conv"] },
  bert: {},
  modernbert: { layer_types: ["full_attention", "sliding_attention", "full_attention"] },
};

const random = (): ParameterSource => {
  const draw = randomParameters(new Generator(3));
  return (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start);
};

/** Makes a model, in evaluation mode, that runs on token ids. */
function make(modelType: string, more: object = perLayer[modelType], source = random()) {
  const json = { model_type: modelType, ...sizes, ...more };
  const classifies = modelType.endsWith("bert");
  const config: ModelConfig | ClassifierConfig = classifies
    ? parseClassifierConfig({ ...json, num_labels: 3 })
    : parseModelConfig(json);
  const model = createModel(config as ModelConfig, source).eval();
  const inputIds = tensor([[3, 7, 11, 5, 13, 4, 9, 6, 12]], { dtype: "i32" });
  return { model, config, logits: () => [...model.forward({ inputIds }).logits.dataSync()] };
}

const ranges = [
  [0, 2],
  [1, 3],
  [2, 3],
] as const;
const numbers = [0, 1, 1, 2, 2];

describe.each(Object.keys(perLayer))("%s", (modelType) => {
  test("is the deeper model with the same weights", async () => {
    const { model, config, logits } = make(modelType);
    const own = model.stateDict();
    const parameters = new Set(model.parameters());
    const before = logits();
    const restore = await model.replicateLayers!(ranges);
    expect(new Set(model.parameters())).toEqual(parameters);

    const fields = Object.entries(perLayer[modelType]);
    const more = Object.fromEntries(fields.map(([key, list]) => [key, numbers.map((number) => list[number])]));
    const deeper = make(modelType, { ...more, num_hidden_layers: 5 }, (name) => {
      const tensor = own.get(name.replace(/\d+/, (number) => String(numbers[Number(number)])))!;
      return tensor instanceof Parameter ? tensor : new Parameter(tensor);
    });
    expect(logits()).toEqual(deeper.logits());
    expect({ ...model }).toMatchObject({ config: deeper.config, attentionSizes: deeper.model.attentionSizes });
    expect([...model.namedModules()].map(([path]) => path)).toEqual(
      [...deeper.model.namedModules()].map(([path]) => path),
    );

    restore();
    expect(logits()).toEqual(before);
    expect({ ...model }).toMatchObject({ config });
  });

  test("can lose layers, and get others again", async () => {
    const { model, logits } = make(modelType);
    await model.replicateLayers!([[0, 3]]);
    const same = make(modelType).logits();
    expect(logits()).toEqual(same);
    await model.replicateLayers!([[0, 2]]);
    expect(logits()).not.toEqual(same);
    await expect(model.replicateLayers!([[0, 3]])).rejects.toThrow(
      "layerReplication has the range [0, 3], but the model has 2 layers; end at 2 or before",
    );
  });
});

test("generation with a cache has the tokens of the whole sequences", async () => {
  const { model } = make("gemma3_text");
  await model.replicateLayers!(ranges);
  const ids = [3, 7, 11, 5, 13];
  const [tokens] = await generate(model, [ids], { maxNewTokens: 6, eosTokenIds: [], generationConfig: null });
  const expected: number[] = [];
  for (let i = 0; i < 6; i++) {
    const logits = model.nextLogits({ inputIds: tensor([[...ids, ...expected]], { dtype: "i32" }) }).dataSync();
    expected.push(logits.indexOf(Math.max(...logits)));
  }
  expect(tokens).toEqual(expected);
});

test("replicas drop other elements, and keep the mode of their layer", async () => {
  const { model } = make("bert");
  model.train();
  await model.replicateLayers!(ranges);
  const dropouts = [...model.namedModules()].flatMap(([path, module]) =>
    module instanceof Dropout && path.includes("layer") ? [module.generator] : [],
  );
  const draws = dropouts.map((generator) => {
    const values = new Float32Array(4);
    generator.fillUniform(values, 0, 1);
    return values.join();
  });
  expect(new Set(draws).size).toBe(draws.length);
  expect([...model.namedModules()].every(([, module]) => module.training)).toBe(true);
});

test("quantised layers share their weights too", async () => {
  const { model, logits } = make("llama", { hidden_size: 64, intermediate_size: 64 });
  await quantize(model, { quantType: "nf4" });
  const names = [...model.namedParameters()].map(([name]) => name);
  await model.replicateLayers!(ranges);
  expect(logits().every(Number.isFinite)).toBe(true);
  expect([...model.namedParameters()].map(([name]) => name.replace("layers.3", "layers.2"))).toEqual(names);
});

test("other models are refused", async () => {
  const fails = (made: ReturnType<typeof make>) => expect(made.model.replicateLayers!(ranges)).rejects;
  await fails(make("gpt2", { n_embd: 16, n_head: 2, n_layer: 3 })).toThrow(
    "layerReplication: GPT2LMHeadModel has no list of layers where PEFT looks for it; layers can be replicated in Llama and similar models, and in BERT",
  );
  const types = ["sliding_attention", "full_attention", "full_attention"];
  await fails(make("gemma4_text", { layer_types: types, num_kv_shared_layers: 1 })).toThrow("reuse the keys of other");
  await fails(make("gemma4_text", { layer_types: types, hidden_size_per_layer_input: 4 })).toThrow(
    /needs model\.embed_tokens_per_layer\.weight of the shape \[\d+,20\], but [a-z_.]+ is \[\d+,12\]/,
  );
  const first = make("modernbert").model.replicateLayers!([
    [0, 3],
    [0, 1],
  ]);
  await expect(first).rejects.toThrow(
    "needs model.layers.3.attn_norm.weight of the shape [16], but model.layers.0.attn_norm.weight is missing",
  );
  await expect(make("modernbert").model.replicateLayers!([[1, 3]])).rejects.toThrow(
    "model.layers.1.attn_norm is a ScaledLayerNorm, and absent in the new stack",
  );
  const changed = make("llama");
  class Other extends Linear {}
  const { weight } = changed.model.getSubmodule("model.layers.1.mlp.up_proj") as Linear;
  changed.model.setSubmodule("model.layers.1.mlp.up_proj", new Other(weight));
  await fails(changed).toThrow(
    "layerReplication: model.layers.1.mlp.up_proj is a Other, and a Linear in the new stack; replicate the layers of the model as it was loaded",
  );
});
