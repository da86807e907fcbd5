import { crossEntropy, Generator, init, randn, reference, type Tensor, tensor } from "@lowrank/core";
import type { VirtualTokens } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig, parseTokenClassifierConfig } from "../registry/configs/modelConfig.ts";
import { onShapes } from "./onShapes.ts";
import { type Init, ParameterPath, randomParameters } from "./parameters.ts";
import { PromptedBatch } from "./promptedBatch.ts";
import type { TokenClassifier } from "./tokenClassifier.ts";

beforeAll(() => init(reference()));

const ids = tensor2([
  [1, 2, 3],
  [4, 5, 0],
]);
function tensor2(rows: number[][]): () => Tensor {
  return () => tensor(rows, { dtype: "i32" });
}
const listOf = (t: Tensor) => [...t.dataSync()].map(Number);

/** A cache that records what is written to it. */
function cacheOf(length: number) {
  const written: [layer: number, keys: number[], values: number[], shape: readonly number[]][] = [];
  const cache = {
    length,
    update: (layer: number, keys: Tensor, values: Tensor) => {
      written.push([layer, listOf(keys), listOf(values), keys.shape]);
    },
    advance: (count: number) => {
      cache.length += count;
    },
  };
  return { cache, written };
}

describe("a batch without virtual tokens", () => {
  it("is as it was given", () => {
    const positionIds = tensor2([
      [0, 1, 2],
      [5, 6, 7],
    ])();
    const batch = new PromptedBatch({ inputIds: ids(), positionIds, maxPosition: 7 }, null, { causal: true });
    expect([batch.offset, batch.prefix]).toEqual([0, []]);
    const x = randn([2, 3, 4]);
    expect(batch.embed(x)).toBe(x);
    expect(batch.positionIds()).toBe(positionIds);
    expect(batch.positions()).toEqual({ ids: positionIds, largest: 7 });
    expect(batch.mask()).toBeUndefined();
    const open = new PromptedBatch({ inputIds: ids(), positionIds }, null, { causal: true });
    expect(open.positions()?.largest).toBeNull();
    expect(new PromptedBatch({ inputIds: ids() }, null, { causal: true }).positions()).toBeNull();
    const { cache } = cacheOf(4);
    expect(new PromptedBatch({ inputIds: ids(), cache: cache as never }, null, { causal: true }).offset).toBe(4);
  });

  it("masks padding, whose rows are zeros", () => {
    const attentionMask = tensor([1, 1, 1, 1, 1, 0], { shape: [2, 3], dtype: "u8" });
    const batch = new PromptedBatch({ inputIds: ids(), attentionMask }, null, { causal: true });
    expect([batch.mask()!.shape, listOf(batch.mask()!)]).toEqual([
      [2, 1, 1, 3],
      [1, 1, 1, 1, 1, 0],
    ]);
    const rows = batch.unpadded(tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3, 1] }));
    expect(listOf(rows)).toEqual([1, 2, 3, 4, 5, 0]);
  });
});

describe("virtual tokens as embeddings", () => {
  const virtual: VirtualTokens = { kind: "embeddings", count: 2, rows: () => tensor([7, 8], { shape: [2, 1] }) };
  const given = () => ({
    inputIds: ids(),
    positionIds: tensor2([
      [0, 1, 2],
      [3, 4, 5],
    ])(),
    attentionMask: tensor([1, 1, 1, 1, 1, 0], { shape: [2, 3], dtype: "u8" }),
  });

  it("come before the tokens, with the first positions, and are never masked", () => {
    const batch = new PromptedBatch({ ...given(), maxPosition: 5 }, virtual, { causal: true });
    const x = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3, 1] });
    expect(listOf(batch.embed(x))).toEqual([7, 8, 1, 2, 3, 7, 8, 4, 5, 6]);
    expect([batch.offset, batch.prefix]).toEqual([0, []]);
    expect(listOf(batch.positionIds()!)).toEqual([0, 1, 2, 3, 4, 0, 1, 5, 6, 7]);
    expect(batch.positions()?.largest).toBe(7);
    expect(listOf(batch.mask()!)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
    const open = new PromptedBatch(given(), virtual, { causal: true });
    expect(open.positions()?.largest).toBeNull();
  });

  it("are in the cache after the first batch", () => {
    const { cache, written } = cacheOf(6);
    const batch = new PromptedBatch({ ...given(), cache: cache as never }, virtual, { causal: true });
    const x = randn([2, 3, 1]);
    expect(batch.embed(x)).toBe(x);
    expect(listOf(batch.positionIds()!)).toEqual([2, 3, 4, 5, 6, 7]);
    expect([batch.offset, written]).toEqual([6, []]);
  });
});

describe("virtual tokens as keys and values", () => {
  // One virtual token, two layers: keys 1 and 3, values 2 and 4.
  const rows = () => tensor([1, 2, 3, 4], { shape: [1, 2, 2, 1, 1] });
  const virtual: VirtualTokens = { kind: "cache", count: 1, rows };

  it("are a prefix without a cache", () => {
    const batch = new PromptedBatch({ inputIds: ids() }, virtual, { causal: true });
    expect(batch.prefix.map(listOf)).toEqual([[1, 2, 3, 4]]);
    expect(batch.offset).toBe(1);
    const x = randn([2, 3, 1]);
    expect(batch.embed(x)).toBe(x);
  });

  it("are written into an empty cache, once", () => {
    const { cache, written } = cacheOf(0);
    const batch = new PromptedBatch({ inputIds: ids(), cache: cache as never }, virtual, { causal: true });
    expect(written).toEqual([
      [0, [1, 1], [2, 2], [2, 1, 1, 1]],
      [1, [3, 3], [4, 4], [2, 1, 1, 1]],
    ]);
    expect([batch.offset, batch.prefix, cache.length]).toEqual([1, [], 1]);
    const next = new PromptedBatch({ inputIds: ids(), cache: cache as never }, virtual, { causal: true });
    expect([written.length, next.offset, next.prefix]).toEqual([2, 1, []]);
  });
});

describe("a token classifier", () => {
  const sizes = { vocab_size: 13, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2 };
  const config = parseTokenClassifierConfig({
    ...{ model_type: "bert", ...sizes, max_position_embeddings: 16, num_labels: 3 },
  });
  let model: TokenClassifier;
  beforeAll(() => {
    model = createModel(config, randomParameters(new Generator(1))).eval();
  });

  it("has logits of each token, after virtual tokens, and their mean loss", () => {
    expect(model.classifiesTokens).toBe(true);
    const plain = model.forward({ inputIds: ids() });
    expect(plain.logits.shape).toEqual([2, 3, 3]);
    expect(plain.loss).toBeUndefined();
    const labels = tensor2([
      [0, 2, -100],
      [-100, 1, 1],
    ])();
    const { loss } = model.forward({ inputIds: ids(), labels });
    const expected = crossEntropy(plain.logits.reshape(6, 3), labels.reshape(6), { ignoreIndex: -100 });
    expect(loss!.dataSync()[0]).toBeCloseTo(expected.dataSync()[0], 6);
    expect(model.loss({ inputIds: ids(), labels }).dataSync()[0]).toBeCloseTo(expected.dataSync()[0], 6);
    const rows = () => randn([2, 8], { generator: new Generator(2) });
    model.virtualTokens = { kind: "embeddings", count: 2, rows };
    const prompted = model.forward({ inputIds: ids() }).logits;
    model.virtualTokens = null;
    expect(prompted.shape).toEqual([2, 3, 3]);
    expect(prompted.dataSync()).not.toEqual(plain.logits.dataSync());
  });

  it("draws a head with transformers' deviation and no bias", () => {
    const asked = new Map<string, Init | undefined>();
    const draw = randomParameters(new Generator(1));
    createModel(config, (name, shape, start) => {
      asked.set(name, start);
      return draw(name, shape, start);
    });
    expect(asked.get("classifier.weight")).toEqual({ std: 0.02 });
    expect(asked.get("classifier.bias")).toEqual({ value: 0 });
  });

  it("turns gradient checkpointing on and off, which is off by default", () => {
    expect(model.gradientCheckpointing).toBe(false);
    expect(model.gradientCheckpointingEnable()).toBe(model);
    expect(model.gradientCheckpointing).toBe(true);
    expect(model.gradientCheckpointingDisable()).toBe(model);
    expect(model.gradientCheckpointing).toBe(false);
  });
});

it("layers start with zero biases, and dropout with seed 0 and its path", () => {
  const asked: [string, Init | undefined][] = [];
  const draw = randomParameters(new Generator(1));
  const path = new ParameterPath((name, shape, start) => {
    asked.push([name, start]);
    return draw(name, shape, start);
  }, "a");
  path.linear("b", 2, 3, true);
  path.linear("c", 2, 3, false);
  expect(asked.slice(1)).toEqual([
    ["a.b.bias", { value: 0 }],
    ["a.c.weight", asked[0][1]],
  ]);
  expect(path.dropout("d", 0.5).generator.state).toEqual(new Generator(0).fork("a.d").state);
});

it("a causal model ignores labels of -100, and its caches have room for the capacity", () => {
  const config = parseModelConfig({
    ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1 },
    ...{ num_attention_heads: 2, max_position_embeddings: 16 },
  });
  const model = createModel(config, randomParameters(new Generator(1))).eval();
  expect([model.shapesLogits, model.createCache(2, 5).capacity]).toEqual([false, 5]);
  const labels = tensor2([
    [1, -100, 3],
    [4, 5, -100],
  ])();
  const { logits, loss } = model.forward({ inputIds: ids(), labels });
  const values = listOf(logits);
  const nll = (row: number, position: number, label: number) => {
    const at = values.slice((row * 3 + position) * 11, (row * 3 + position + 1) * 11);
    return Math.log(at.reduce((sum, x) => sum + Math.exp(x), 0)) - at[label];
  };
  const expected = (nll(0, 1, 3) + nll(1, 0, 5)) / 2;
  expect(loss!.dataSync()[0]).toBeCloseTo(expected, 5);
  expect(model.loss({ inputIds: ids(), labels }).dataSync()[0]).toBeCloseTo(expected, 5);
  expect(onShapes((source) => createModel(config, source)).namedParameters).toBeDefined();
});
