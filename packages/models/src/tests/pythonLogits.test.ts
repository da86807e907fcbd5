import { Generator, init, reference, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, test } from "vitest";
import { type ParameterSource, randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig, parseModelConfig } from "../registry/configs/modelConfig.ts";
import { findArchitecture } from "../registry/registry.ts";
import { filled } from "../testing/waveWeights.ts";
import tables from "./pythonLogits.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

function expectNear(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const apart = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - found[i])), 0);
  expect(apart).toBeLessThan(3e-4 * Math.max(1, largest));
}

const name = ({ model_type, ...fields }: Record<string, unknown>) => {
  const { vocab_size: _, intermediate_size: __, ...more } = fields;
  return `${model_type} ${JSON.stringify(more)}`;
};

const { text } = tables;

// conformance/python/logits_table.py writes the tables with transformers 5.24.
describe("language models have transformers' logits", () => {
  test.each(tables.causal.map((one) => [name(one.json), one] as const))("%s", (_, { json, names, logits }) => {
    const config = parseModelConfig(json);
    const model = filled((source) => createModel(config, source as ParameterSource)).eval();
    expect([...model.namedParameters()].length).toBe(names);
    const found = model.forward({ inputIds: tensor([text], { dtype: "i32" }) });
    expectNear(found.logits.dataSync(), logits);
  });
});

describe("classifiers have transformers' logits, of a padded text too", () => {
  test.each(tables.classes.map((one) => [name(one.json), one] as const))("%s", (_, { json, names, logits }) => {
    const config = parseClassifierConfig(json);
    const model = filled((source) => createModel(config, source as ParameterSource)).eval();
    expect([...model.namedParameters()].length).toBe(names);
    const short = [...text.slice(4, 8), ...Array<number>(6).fill(0)];
    const mask = [Array<number>(10).fill(1), short.map((_, i) => (i < 4 ? 1 : 0))];
    const found = model.forward({
      inputIds: tensor([text, short], { dtype: "i32" }),
      attentionMask: tensor(mask, { dtype: "u8" }),
    });
    expectNear(found.logits.dataSync(), logits);
  });
});

/** Returns the initial value of each parameter by its name. */
function startsOf(config: Parameters<typeof createModel>[0]): Map<string, Parameters<ParameterSource>[2]> {
  const starts = new Map<string, Parameters<ParameterSource>[2]>();
  const draw = randomParameters(new Generator(1));
  createModel(config, (name, shape, start) => {
    if (!name.endsWith("layer_scalar")) starts.set(name, start);
    return draw(name, shape, start);
  });
  return starts;
}

const all = [
  ...tables.causal.map((one) => [name(one.json), one, () => parseModelConfig(one.json)] as const),
  ...tables.classes.map((one) => [name(one.json), one, () => parseClassifierConfig(one.json)] as const),
];

test.each(all)("sizes of %s", (_, { json, elements }, read) => {
  const model = filled((source) => createModel(read(), source as ParameterSource));
  const found = [...model.namedParameters()].map(([, { shape }]) => shape.reduce((product, n) => product * n, 1));
  expect(found.reduce((sum, n) => sum + n, 0)).toBe(elements);
  const sizes: Record<string, unknown> = json;
  const first = (...keys: string[]) => Number(keys.map((key) => sizes[key]).find((size) => size !== undefined));
  const heads = first("num_attention_heads", "n_head", "n_heads");
  const width = first("hidden_size", "n_embd", "dim");
  const grouped = !/bert|gpt/.test(json.model_type);
  const roberta = json.model_type === "roberta";
  expect(model.maxPositions).toBe(first("max_position_embeddings", "n_positions") - (roberta ? 1 : 0));
  if (json.model_type === "gemma4_text") return;
  expect(model.attentionSizes).toMatchObject({
    ...{ hiddenSize: width, layers: first("num_hidden_layers", "n_layer", "n_layers"), attentionHeads: heads },
    keyValueHeads: grouped ? first("num_key_value_heads") : heads,
    headDim: sizes.head_dim ?? width / heads,
  });
});

test.each(all)("parameters of %s start as in transformers", (_, { starts: [ones, zeros] }, read) => {
  const starts = [...startsOf(read()).values()];
  expect(starts.filter((start) => "value" in start && start.value === 1)).toHaveLength(ones);
  expect(starts.filter((start) => "value" in start && start.value === 0)).toHaveLength(zeros);
  for (const start of starts) if ("std" in start) expect(start.std).toBe(0.02);
});

test("heads of classes on language models start with a standard deviation of 0.02", () => {
  for (const { json } of tables.causal) {
    if (findArchitecture(json.model_type)?.heads.sequenceClassification === undefined) continue;
    expect(startsOf(parseClassifierConfig(json)).get("score.weight"), json.model_type).toEqual({ std: 0.02 });
  }
});
