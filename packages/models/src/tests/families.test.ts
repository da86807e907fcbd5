import { Generator, init, memory, reference, scope, type Tensor, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { Dropout, PagedKVCache } from "@lowrank/nn";
import { PackedDocuments } from "@lowrank/nn/internal";
import { beforeAll, describe, expect, test } from "vitest";
import { toGguf } from "../checkpoint/gguf/toGguf.ts";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import { generate } from "../generation/decoding/generate.ts";
import { ggufBytes } from "../gguf/testing/ggufBytes.ts";
import { randomParameters } from "../model/parameters.ts";
import { raggedHidden } from "../model/raggedHidden.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig, toHfConfig } from "../registry/configs/modelConfig.ts";
import { architectures } from "../registry/registry.ts";

/** Config fields with the names that transformers uses for every architecture. */
const sizes = {
  ...{ vocab_size: 19, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 3 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 32, sliding_window: 3 },
  ...{ n_embd: 16, n_layer: 3, n_head: 2, n_positions: 32 },
  ...{ bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, head_dim: 8, query_pre_attn_scalar: 8 },
  ...{ full_attn_idxs: [1], block_multiple_of: 4 },
  ...{ hidden_size_per_layer_input: 4, vocab_size_per_layer_input: 19, global_head_dim: 16 },
  ...{ moe_intermediate_size: 8, shared_expert_intermediate_size: 8, num_experts: 4, num_experts_per_tok: 2 },
};

const writers = architectures().filter(({ heads }) => heads.causalLM);

beforeAll(() => init(reference()));

const ids = (rows: number[][]): Tensor => tensor(rows, { dtype: "i32" });
const text = [3, 7, 11, 5, 13, 4, 9, 6, 12];

function newModel(modelType: string, more: object = {}) {
  const config = parseModelConfig({ model_type: modelType, ...sizes, ...more });
  const draw = randomParameters(new Generator(3));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start));
  return { config, model: model.eval() };
}

function expectNear(found: Tensor | Float32Array, expected: Tensor | Float32Array): void {
  const [a, b] = [found, expected].map((x) => ("dataSync" in x ? x.dataSync() : x) as Float32Array);
  expect(a.length).toBe(b.length);
  const largest = (values: Float32Array) => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  expect(largest(a.map((x, i) => x - b[i]))).toBeLessThan(2e-5 * Math.max(1, largest(b)));
}

const rowsOf = (logits: Tensor): Float32Array[] => {
  const data = logits.dataSync() as Float32Array;
  const width = logits.shape[2];
  return Array.from({ length: data.length / width }, (_, i) => data.slice(i * width, (i + 1) * width));
};

describe.each(writers.map(({ modelType }) => modelType))("%s", (modelType) => {
  test("is written, saved and loaded again", async () => {
    const { config, model } = newModel(modelType);
    expect(parseModelConfig(toHfConfig(config))).toEqual(config);
    const loaded = await loadModel(memoryFiles(await modelFileContents(model, config)));
    expect(loaded.config).toEqual(config);
    const inputs = { inputIds: ids([text]) };
    expect(loaded.model.forward(inputs).logits.dataSync()).toEqual(model.forward(inputs).logits.dataSync());
  });

  test("tokens one by one, padded rows and pages give the logits of the whole text", () => {
    const { model } = newModel(modelType);
    const whole = rowsOf(model.forward({ inputIds: ids([text]) }).logits);
    using cache = model.createCache(1, text.length);
    expectNear(model.nextLogits({ inputIds: ids([text.slice(0, 4)]), cache }), whole[3]);
    for (let t = 4; t < text.length; t++) {
      expectNear(model.nextLogits({ inputIds: ids([[text[t]]]), cache }), whole[t]);
    }
    const padded = {
      inputIds: ids([[0, 0, ...text]]),
      attentionMask: tensor([[0, 0, ...text.map(() => 1)]], { dtype: "u8" }),
      positionIds: ids([[0, 0, ...text.keys()]]),
    };
    expectNear(rowsOf(model.forward(padded).logits)[text.length + 1], whole[text.length - 1]);
    const { layers, keyValueHeads, headDim, perLayer } = model.attentionSizes;
    const hidden = raggedHidden(
      model,
      {
        tokens: Int32Array.from([...text, ...text]),
        positions: Int32Array.from([...text.keys(), ...text.keys()]),
        sequences: Int32Array.from([...text.map(() => 0), ...text.map(() => 1)]),
        tables: [Int32Array.of(0, 1, 2, 3, 4), Int32Array.of(5, 6, 7, 8, 9)],
      },
      new PagedKVCache({ layers, keyValueHeads, headDim, perLayer, pages: 10, pageSize: 2 }),
    );
    const logits = rowsOf(model.logitsOf(hidden));
    for (const [t, row] of whole.entries()) {
      expectNear(logits[t], row);
      expectNear(logits[text.length + t], row);
    }
  });

  test("the loss is the mean over the labels other than -100, with the logits of forward", () => {
    const { model } = newModel(modelType);
    const inputIds = ids([text]);
    const labels = ids([[-100, 3, -100, 5, -100, -100, 9, 6, -100]]);
    const { logits, loss } = model.forward({ inputIds, labels });
    const rows = rowsOf(logits);
    const losses = [
      [0, 3],
      [2, 5],
      [5, 9],
      [6, 6],
    ].map(([t, label]) => Math.log(rows[t].reduce((sum, x) => sum + Math.exp(x), 0)) - rows[t][label]);
    const expected = losses.reduce((sum, x) => sum + x, 0) / 4;
    expect(loss?.itemSync()).toBeCloseTo(expected, 4);
    expect(model.loss({ inputIds, labels }).itemSync()).toBeCloseTo(expected, 4);
    expect(model.shapesLogits).toBe(modelType === "gemma2");
  });

  test("a GGUF file holds the same model, where llama.cpp knows it", async () => {
    // GGUF cannot express the sliding windows of a Mixtral.
    const { config, model } = newModel(modelType, modelType === "mixtral" ? { sliding_window: null } : {});
    if (!architectures().find((one) => one.modelType === modelType)?.gguf) return;
    const files = memoryFiles(await modelFileContents(model, config));
    const { notes: _, ...contents } = await toGguf(files, { dtype: "f32" });
    const loaded = await loadModel(await ggufBytes(contents));
    const inputs = { inputIds: ids([text]) };
    expectNear(loaded.model.forward(inputs).logits, model.forward(inputs).logits);
    expect(loaded.config.modelType).toBe(modelType);
  });

  test("packed documents are as each alone", () => {
    const { model } = newModel(modelType);
    const [a, b] = [text.slice(0, 4), text.slice(4)];
    const starts = ids([[0, 0, 0, 0, 4, 4, 4, 4, 4]]);
    const positionIds = ids([[...a.keys(), ...b.keys()]]);
    const cache = new PackedDocuments(starts);
    const packed = rowsOf(model.forward({ inputIds: ids([text]), positionIds, cache }).logits);
    const alone = [a, b].flatMap((row) => rowsOf(model.forward({ inputIds: ids([row]) }).logits));
    for (const [t, row] of alone.entries()) expectNear(packed[t], row);
  });

  test("checkpointing changes no gradient, and generation goes on", async () => {
    const { config, model } = newModel(modelType);
    model.train();
    const gradients = (forgets: boolean) => {
      if (forgets) model.gradientCheckpointingEnable();
      for (const [, module] of model.namedModules()) if (module instanceof Dropout) module.generator.offset = 5;
      const loss = scope(() => {
        const inputIds = ids([text]);
        const result = model.loss({ inputIds, labels: inputIds });
        result.backward();
        return result.itemSync();
      });
      const grads = new Map<string, Float32Array | undefined>();
      for (const [name, parameter] of model.namedParameters()) {
        grads.set(name, parameter.grad?.dataSync() as Float32Array | undefined);
        parameter.grad?.dispose();
        parameter.grad = null;
      }
      return { loss, grads };
    };
    const kept = gradients(false);
    const again = gradients(true);
    expect(again.loss).toBe(kept.loss);
    for (const [name, grad] of kept.grads) {
      expect(grad, name).toBeDefined();
      expect(again.grads.get(name), name).toEqual(grad);
    }
    const before = memory().bytes;
    const [tokens] = await generate(model, [[1, 5, 6]], { maxNewTokens: 4, eosTokenIds: [], generationConfig: null });
    expect(tokens.every((token) => token >= 0 && token < config.vocabSize)).toBe(true);
    expect(memory().bytes).toBe(before);
  });
});

test("a text that grows out of the short factors is generated as one that is computed anew", async () => {
  const factors = { short_factor: [1, 1.1, 1.2, 1.3], long_factor: [2, 3, 4, 5] };
  const config = parseModelConfig({
    ...{ model_type: "phi3", ...sizes, sliding_window: null, original_max_position_embeddings: 8 },
    rope_scaling: { type: "longrope", ...factors },
  });
  const draw = randomParameters(new Generator(3));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start));
  const expected = [
    [3, 5, 7, 4],
    [6, 9],
  ].map((prompt) => [...prompt]);
  const found = await generate(model, expected, { maxNewTokens: 9, eosTokenIds: [], generationConfig: null });
  // The longest row determines the number of tokens, as in transformers.
  for (let step = 0; step < 9; step++) {
    const [first] = expected;
    const logits = rowsOf(model.forward({ inputIds: ids([first]) }).logits)[first.length - 1];
    expect(found[0][step]).toBe(logits.indexOf(Math.max(...logits)));
    first.push(found[0][step]);
  }
});
