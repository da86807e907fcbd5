import { init, reference, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, test } from "vitest";
import { parseClassifierConfig, parseModelConfig } from "../config/modelConfig.ts";
import { createModel } from "../createModel.ts";
import type { ParameterSource } from "../parameters.ts";
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
