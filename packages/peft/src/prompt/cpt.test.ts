import { copyInto, full, init, noGrad, reference, scope, tensor } from "@lowrank/core";
import type { PromptedLabels } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { CPTConfig, type CPTOptions } from "../methods/prompt/cptConfig.ts";
import { CPTLoss } from "../methods/prompt/cptLoss.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel({ attention: true }).eval();
const make = (options: CPTOptions = {}) =>
  new CPTConfig({ cptTokenIds: [3, 7, 1, 5, 2], cptTokensTypeMask: [1, 2, 3, 4, 0], ...options });
const parameter = (peft: PeftModel<TinyModel>, name: string) => {
  const found = [...peft.namedParameters()].find(([path]) => path.includes("prompt_encoder") && path.includes(name));
  return found![1];
};
const rowsOf = (peft: PeftModel<TinyModel>) =>
  [...peft.adapterTensors().get("prompt_embeddings")!.dataSync()].map(Number);
/** The norms of the rows of the trained changes. */
const norms = (peft: PeftModel<TinyModel>) => {
  const delta = parameter(peft, "delta_embedding");
  const [rows, width] = delta.shape;
  const values = [...delta.dataSync()].map(Number);
  return Array.from({ length: rows }, (_, row) => Math.hypot(...values.slice(row * width, (row + 1) * width)));
};

describe("CPTConfig", () => {
  it.each<[object, string]>([
    [{ taskType: "SEQ_CLS" }, 'taskType is "SEQ_CLS"; it must be "CAUSAL_LM"'],
    [{ taskType: null, cptTokenIds: [] }, "cptTokenIds is []; it must be a list of token ids, at least one"],
    [{ cptTokenIds: [1, -1] }, "cptTokenIds is [1,-1]"],
    [{ cptTokenIds: [1, 2], cptMask: [1] }, "cptMask is [1]; it must be a list of 2 integers"],
    [{ cptTokenIds: [1, 2], cptTokensTypeMask: [1, 2, 3] }, "cptTokensTypeMask is [1,2,3]; it must be a list of 2"],
    [{ cptTokenIds: [1], cptTokensTypeMask: [0.5] }, "cptTokensTypeMask is [0.5]"],
    [{ cptTokenIds: [1, 2], numVirtualTokens: 3 }, "numVirtualTokens is 3; it must be 2, the number of cptTokenIds"],
    [{ optWeightedLossType: "linear" }, 'optWeightedLossType is "linear"; it must be "none" or "decay"'],
    [{ optProjectionEpsilon: -1 }, "optProjectionEpsilon is -1; it must be a number of at least 0"],
    [{ optProjectionFormatEpsilon: Number.NaN }, "optProjectionFormatEpsilon is null"],
    [{ optLossDecayFactor: Number.POSITIVE_INFINITY }, "optLossDecayFactor is null; it must be a finite number"],
  ])("refuses %j", (options, message) => {
    expect(() => new CPTConfig(options as CPTOptions)).toThrow(message);
  });

  it("has PEFT's defaults, which follow from the ids", () => {
    const { cptTokenIds, cptMask, cptTokensTypeMask, numVirtualTokens } = new CPTConfig();
    expect({ cptTokenIds, cptMask, cptTokensTypeMask, numVirtualTokens }).toEqual({
      ...{ cptTokenIds: [0], cptMask: [1], cptTokensTypeMask: [1], numVirtualTokens: 1 },
    });
    const three = new CPTConfig({ cptTokenIds: [4, 4, 5] });
    expect([three.cptMask, three.cptTokensTypeMask, three.numVirtualTokens]).toEqual([[1, 1, 1], [1, 1, 1], 3]);
  });

  it("needs ids of the model", async () => {
    const config = make({ cptTokenIds: [3, 7, 1, 5, 11] });
    await expect(getPeftModel(base(), config)).rejects.toThrow("has the token id 11, but the model has 11 tokens");
  });
});

describe("virtual tokens", () => {
  it("start as the embeddings of the context", async () => {
    const model = base();
    const peft = await getPeftModel(model, make());
    const [[, table]] = [...model.namedParameters()].filter(([name]) => name.startsWith("embed_tokens"));
    const [, width] = table.shape;
    const values = [...table.dataSync()].map(Number);
    expect(rowsOf(peft)).toEqual([3, 7, 1, 5, 2].flatMap((id) => values.slice(id * width, (id + 1) * width)));
    expect(parameter(peft, "encoder.default.embedding").requiresGrad).toBe(false);
  });

  it("change by limited norms; those of answers and padding stay", async () => {
    const peft = await getPeftModel(base(), make({ optProjectionEpsilon: 3, optProjectionFormatEpsilon: 2 }));
    const [start, width] = [rowsOf(peft), 6];
    train(peft, 30, 0.05);
    scope(() => peft.forward(tinyBatch()));
    const scale = Math.sqrt(width / 2048);
    const found = norms(peft);
    for (const [row, epsilon] of [2 * scale, 3 * scale, 2 * scale].entries()) {
      expect(found[row]).toBeLessThan(epsilon * (1 + 1e-6));
      expect(found[row]).toBeGreaterThan(epsilon / 2);
    }
    expect(found.slice(3)).toEqual([0, 0]);
    expect(rowsOf(peft).slice(3 * width)).toEqual(start.slice(3 * width));
  });

  it("get gradients at the projected point, without those of the projection", async () => {
    const gradients = async (size: number) => {
      const peft = await getPeftModel(base(), make());
      const delta = parameter(peft, "delta_embedding");
      noGrad(() => copyInto(delta, full(delta.shape, size)));
      scope(() => peft.loss(tinyBatch()).backward());
      const epsilon = 0.1 * Math.sqrt(6 / 2048);
      for (const norm of norms(peft).slice(0, 3)) expect(norm).toBeCloseTo(epsilon, 8);
      for (const norm of norms(peft).slice(3)) expect(norm).toBeLessThan(1.001e-10);
      return [...delta.grad!.dataSync()].map(Number);
    };
    const [near, far] = [await gradients(1), await gradients(100)];
    for (const [i, gradient] of near.entries()) expect(far[i]).toBeCloseTo(gradient, 5);
    expect(near.slice(0, 18).every((gradient) => gradient !== 0)).toBe(true);
    expect(near.slice(18)).toEqual(new Array(12).fill(0));
  });

  it("stay finite with an epsilon of 0", async () => {
    const peft = await getPeftModel(base(), make({ optProjectionEpsilon: 0, optProjectionFormatEpsilon: 0 }));
    const start = rowsOf(peft);
    train(peft, 2);
    expect(rowsOf(peft)).toEqual(start);
  });

  it("are loaded as one table, around which they change further", async () => {
    const peft = await getPeftModel(base(), make({ optProjectionEpsilon: 40 }));
    train(peft, 3);
    const loaded = await PeftModel.fromPretrained(base(), await peft.adapterFiles(), { isTrainable: true });
    expect(await logitBits(loaded)).toEqual(await logitBits(peft));
    expect(norms(loaded)).toEqual([0, 0, 0, 0, 0]);
    train(loaded, 2);
    expect(norms(loaded)[1]).toBeGreaterThan(0);
  });
});

describe("the loss", () => {
  const fields = { cptTokenIds: [3, 7, 1, 5], cptTokensTypeMask: [4, 2, 3, 4] };
  const none = { optWeightedLossType: "none", optLossDecayFactor: 0.5 } as const;
  const labels = [[1, 2, -100, 4]];
  const types = [[1, 4, 4, 8]];
  /** A batch with fixed logits, whose mean loss is 7. `seen` gets the labels of the mean loss. */
  const parts = (mask: PromptedLabels["inputTypeMask"], seen: number[][] = []): PromptedLabels => ({
    labels: tensor(labels, { dtype: "i32" }),
    inputTypeMask: mask,
    logits: () =>
      tensor([Array.from({ length: 8 }, (_, t) => Array.from({ length: 9 }, (_, id) => Math.sin(9 * t + id)))]),
    meanLoss: (all) => {
      seen.push([...all.dataSync()].map(Number));
      return tensor(7);
    },
  });
  /** The loss of the label at position t. */
  const lossAt = (t: number, label: number) => {
    const row = Array.from({ length: 9 }, (_, id) => Math.sin(9 * (t - 1) + id));
    return Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label];
  };

  it("covers labels of the context and of the tokens", () => {
    const seen: number[][] = [];
    expect(new CPTLoss({ ...fields, ...none }).of(parts(types, seen)).itemSync()).toBe(7);
    expect(seen).toEqual([[3, -100, -100, 5, -100, 2, -100, 4]]);
    expect([...new CPTLoss({ ...fields, ...none }).labelsOf(labels[0], types[0])]).toEqual(seen[0]);
    expect(types).toEqual([[1, 4, 4, 8]]);
  });

  it("has type 4 for tokens without types", () => {
    const seen: number[][] = [];
    new CPTLoss({ ...fields, ...none }).of(parts(null, seen));
    expect(seen).toEqual([[3, -100, -100, 5, 1, 2, -100, 4]]);
    expect([...new CPTLoss({ ...fields, ...none }).labelsOf(labels[0], null)]).toEqual(seen[0]);
  });

  it("gives earlier types smaller weights, and is divided by the number of labels", () => {
    const loss = new CPTLoss({ ...fields, optWeightedLossType: "decay", optLossDecayFactor: 0.5 });
    // Types 4 (the context), 8 and 12; the label of the first token is not predicted.
    const expected = (0.25 * lossAt(3, 5) + 0.5 * lossAt(5, 2) + lossAt(7, 4)) / 3;
    expect(loss.of(parts(types)).itemSync()).toBeCloseTo(expected, 5);
  });

  it("is an error without labels", async () => {
    const peft = await getPeftModel(base(), new CPTConfig());
    expect(() => peft.loss(tinyBatch())).toThrow(
      "the default of inputTypeMask, 4 for every token, gives no labels, since the largest of cptTokensTypeMask, 1, is added",
    );
    const loss = new CPTLoss({ ...fields, ...none, cptTokensTypeMask: [1, 2, 3, 6] });
    expect(() => loss.of(parts([[1, 3, 3, 1]]))).toThrow("give inputTypeMask with 2 at the labels");
  });

  it.each([
    [[[1, 2]], "inputTypeMask[0] has 2 elements for 4 tokens; give one type for each token"],
    [[types[0], types[0]], "inputTypeMask has 2 rows for 1 rows of tokens"],
    [[[1, 2, 0.5, 4]], "inputTypeMask[0] has 0.5; give integers"],
  ])("refuses the types %j", (given, message) => {
    expect(() => new CPTLoss({ ...fields, ...none }).of(parts(given))).toThrow(message);
  });
});
