import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Backend,
  crossEntropy,
  Generator,
  init,
  reference,
  scope,
  slice,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { primitives } from "@lowrank/core/testing";
import { PackedDocuments } from "@lowrank/nn/internal";
import { goldenFolder } from "@lowrank/test-support/folders";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, it } from "vitest";
import type { CausalLM, ModelInputs } from "../model/causalLM.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { findArchitecture } from "../registry/registry.ts";

const folder = join(goldenFolder, "models");
/** A config of each decoder, by `model_type`. */
const configs = new Map<string, Record<string, unknown>>();
for (const name of await readdir(folder)) {
  const config = JSON.parse(await readFile(join(folder, name, "config.json"), "utf8"));
  const heads = findArchitecture(config.model_type)?.heads;
  if (heads?.causalLM && !/SequenceClassification/.test(String(config.architectures)))
    configs.set(config.model_type, config);
}

/** Two rows of documents with several lengths; -1 is padding. */
const rows = [
  [[5, 6, 7, 8, 9, 10, 11, 12, 13], [14], [20, 21, 22, 23]],
  [
    [30, 31, 32, 33, 34, 35],
    [40, 41, 42, 43, 44, 45, 46],
  ],
];

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

function made(name: string): CausalLM {
  const model = createModel(
    parseModelConfig(configs.get(name) as object),
    randomParameters(new Generator(3)),
  ) as CausalLM;
  model.eval();
  return model;
}

/** Returns rows of documents as model inputs, padded with a document of zeros. */
function packed(documents: readonly (readonly number[][])[]): ModelInputs & { inputIds: Tensor } {
  const length = Math.max(...documents.map((row) => sum(row.map((ids) => ids.length))));
  const flat = (of: (ids: readonly number[], start: number) => number[]) => {
    return documents.map((row) => {
      const values: number[] = [];
      for (const ids of row) values.push(...of(ids, values.length));
      const padding = new Array<number>(length - values.length).fill(0);
      return [...values, ...(padding.length > 0 ? of(padding, values.length) : [])];
    });
  };
  const i32 = (values: number[][]) => tensor(values, { dtype: "i32" });
  return {
    inputIds: i32(flat((ids) => [...ids])),
    positionIds: i32(flat((ids) => ids.map((_, t) => t))),
    cache: new PackedDocuments(i32(flat((ids, start) => ids.map(() => start)))),
  };
}

/** Returns the loss of each token after the first, from one row of logits. */
function losses(logits: Tensor, row: number, start: number, ids: readonly number[]): Tensor {
  const one = slice(logits, { dim: 0, start: row, end: row + 1 });
  const own = slice(one, { dim: 1, start, end: start + ids.length - 1 });
  return crossEntropy(own, tensor([ids.slice(1)], { dtype: "i32" }), { reduction: "none" });
}

/** Returns the mean loss of each document with at least two tokens. */
function lossesOf(model: CausalLM, documents: typeof rows): number[] {
  return scope(() => {
    const { logits } = model.forward(packed(documents));
    return documents.flatMap((row, r) => {
      let start = 0;
      return row.flatMap((ids) => {
        start += ids.length;
        if (ids.length < 2) return [];
        return [sum(Array.from(losses(logits, r, start - ids.length, ids).dataSync())) / (ids.length - 1)];
      });
    });
  });
}

const backends: [string, () => Backend | Promise<Backend>][] = [
  ["primitives", primitives],
  ["wasm", () => wasm({ threads: 2, grain: 1 })],
];

describe.each(backends)("documents in one row, on %s", (_, backend) => {
  beforeAll(async () => {
    await init(await backend());
  });

  it.each([...configs.keys()])("have the loss that they have alone: %s", (name) => {
    const model = made(name);
    const together = lossesOf(model, rows);
    const alone = rows.flat().flatMap((ids) => lossesOf(model, [[ids]]));
    expect(together).toHaveLength(4);
    for (const [i, loss] of together.entries()) expect(loss).toBeCloseTo(alone[i], 5);
    // Without document boundaries, later documents would attend to earlier ones.
    const merged = lossesOf(
      model,
      rows.map((row) => [row.flat()]),
    );
    expect(Math.abs(sum(merged) / 2 - sum(together) / 4)).toBeGreaterThan(1e-4);
  });

  it.each([...configs.keys()])("do not leak into each other, by a single bit: %s", (name) => {
    const model = made(name);
    model.setRequiresGrad(true);
    model.train();
    /** Returns the loss and all gradients of the second row's last document. */
    const ofLast = (first: number[]) => {
      for (const [, parameter] of model.namedParameters()) parameter.grad = null;
      const documents = [rows[0], [first, rows[1][1]]];
      const loss = scope(() => {
        const { logits } = model.forward(packed(documents));
        const loss = losses(logits, 1, first.length, rows[1][1]).sum();
        loss.backward();
        return loss.itemSync();
      });
      return [loss, ...[...model.namedParameters()].map(([, { grad }]) => grad?.dataSync())];
    };
    const before = ofLast(rows[1][0]);
    const after = ofLast(rows[1][0].map((id) => 90 - id));
    // The gradients of unused token embeddings are zero in both.
    expect(after).toEqual(before);
    expect(before.slice(1).some((grad) => (grad as Float32Array).some((x) => x !== 0))).toBe(true);
  });

  it("are trained by checkpointed blocks too", () => {
    const step = (checkpointing: boolean) => {
      const model = made("llama");
      model.setRequiresGrad(true);
      model.train();
      if (checkpointing) model.gradientCheckpointingEnable();
      return scope(() => {
        const inputs = packed(rows);
        const loss = model.loss({ ...inputs, labels: inputs.inputIds });
        loss.backward();
        return [loss.itemSync(), ...[...model.parameters()].map(({ grad }) => grad?.dataSync())];
      });
    };
    expect(step(true)).toEqual(step(false));
  });
});

describe("errors", () => {
  beforeAll(async () => {
    await init(reference());
  });

  it("of starts that are no batch, and of padding by a mask", () => {
    expect(() => new PackedDocuments(tensor([0, 0], { dtype: "i32" }))).toThrow("starts is i32 [2]; give i32 [B, T]");
    const model = made("llama");
    const attentionMask = tensor([[1, 1]], { dtype: "u8" });
    expect(() => model.forward({ ...packed([[[1, 2]]]), attentionMask })).toThrow("leave attentionMask out");
  });
});
