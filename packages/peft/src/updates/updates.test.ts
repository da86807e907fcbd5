import { copyInto, full, Generator, init, noGrad, reference, truncatedSvd, zeros } from "@lowrank/core";
import { Linear, Parameter } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { LoHaConfig } from "../methods/lycoris/lohaConfig.ts";
import { AdaptionPromptConfig } from "../methods/prompt/adaptionPrompt.ts";
import { PromptTuningConfig } from "../methods/prompt/promptTuning.ts";
import { BitFitConfig } from "../methods/vectors/bitFitConfig.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { TinyModel, train } from "../testing/tinyModel.ts";
import { loraOfUpdates } from "./loraOfUpdates.ts";
import { describeSpectrum, rankOfEnergy } from "./spectrum.ts";
import { adapterUpdates, approximateUpdate, type MatrixUpdate, modelUpdates, updateValues } from "./updates.ts";

beforeAll(() => init(reference()));

/** Returns a model with a trained adapter, which changes the weights. */
async function trained(config: PeftConfig): Promise<PeftModel<TinyModel>> {
  const peft = new PeftModel(new TinyModel(), () => {});
  await peft.addAdapter("default", config, { generator: new Generator(3) });
  peft.setAdapter("default");
  train(peft);
  return peft;
}

async function all(updates: AsyncIterable<MatrixUpdate>): Promise<MatrixUpdate[]> {
  const found: MatrixUpdate[] = [];
  for await (const update of updates) found.push(update);
  return found;
}

/** Collects the updates by path. */
const weightsOf = async (updates: AsyncIterable<MatrixUpdate>) =>
  new Map((await all(updates)).map((update) => [update.path, update]));

const targets = ["up", "down", "embed_tokens"];
const configs: readonly [string, PeftConfig][] = [
  ["LoRA", new LoraConfig({ r: 3, loraAlpha: 5, targetModules: targets })],
  ["LoRA of a rank above the layers'", new LoraConfig({ r: 12, targetModules: targets })],
  ["DoRA", new LoraConfig({ r: 2, useDora: true, targetModules: ["up", "down"] })],
  ["LoHa", new LoHaConfig({ r: 2, targetModules: ["up"] })],
];

describe.each(configs)("updates of %s", (_, config) => {
  test("are what a merge adds, with the same singular values", async () => {
    const peft = await trained(config);
    const updates = await all(adapterUpdates(peft, "default"));
    expect(updates.map(({ path }) => path).sort()).toEqual(peft.targetReport?.matched.toSorted());
    const merged = await weightsOf(modelUpdates(new TinyModel(), await peft.mergeAndUnload()));
    for (const update of updates) {
      const whole = merged.get(update.path) as MatrixUpdate;
      expect(update.shape).toEqual(whole.shape);
      expect(update.weightNorm).toBeCloseTo(whole.weightNorm, 4);
      const [values, expected] = [updateValues(update), updateValues(whole)];
      expect(expected[0]).toBeGreaterThan(1e-3);
      for (const [i, value] of expected.entries()) expect(values[i] ?? 0).toBeCloseTo(value, 5);
    }
  });
});

test("the approximation of rank r leaves the smaller singular values, as a LoRA adapter", async () => {
  const peft = await trained(new LoraConfig({ r: 4, loraAlpha: 10, targetModules: targets }));
  const updates = await all(adapterUpdates(peft, "default"));
  const products = new Map(updates.map((update) => [update.path, approximateUpdate(update, 2)]));
  const lower = await loraOfUpdates(peft.unload(), products, 2);
  expect(lower.peftConfig.get("default")).toMatchObject({ r: 2, loraAlpha: 2 });
  const found = await all(adapterUpdates(lower, "default"));
  expect(found.length).toBe(updates.length);
  for (const [i, update] of updates.entries()) {
    const [values, kept] = [updateValues(update), updateValues(found[i])];
    expect(kept.length).toBe(2);
    for (const [k, value] of kept.entries()) expect(value).toBeCloseTo(values[k], 5);
    const error = Math.hypot(...values.slice(2)) / Math.hypot(...values);
    expect(error).toBeGreaterThan(0.01);
    expect(products.get(update.path)?.relativeError).toBeCloseTo(error, 6);
  }
});

test("a whole update is approximated as its own SVD says, with zeros beyond its rank", async () => {
  const tuned = new TinyModel();
  const { weight } = tuned.getSubmodule("layers.0.up") as Linear;
  const change = Float32Array.from({ length: weight.size }, (_, i) => Math.sin(i * i));
  const bytes = (weight.dataSync() as Float32Array).map((x, i) => x + change[i]);
  weight.storage.backend.write(weight.storage.buffer, new Uint8Array(bytes.buffer));
  const [update, ...others] = (await all(modelUpdates(new TinyModel(), tuned))).filter(
    (found) => updateValues(found)[0] > 0,
  );
  expect([update.path, others.length]).toEqual(["layers.0.up", 0]);
  const [rows, columns] = update.shape;
  const { a, b } = approximateUpdate(update, 12);
  expect([a.rows, a.columns, b.rows, b.columns]).toEqual([12, columns, rows, 12]);
  const product = Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return Array.from({ length: 12 }, (_, k) => b.values[i * 12 + k] * a.values[k * columns + j]);
  }).map((terms) => terms.reduce((sum, x) => sum + x));
  for (const [i, x] of change.entries()) expect(product[i]).toBeCloseTo(x, 5);
});

test("adapters without a change of matrices are refused by their method's name", async () => {
  const prompt = await trained(new PromptTuningConfig({ numVirtualTokens: 2, taskType: "CAUSAL_LM" }));
  await expect(all(adapterUpdates(prompt, "default"))).rejects.toThrow(
    'adapter "default" is PROMPT_TUNING, which adds virtual tokens and changes no weight',
  );
  const biases: string[] = [];
  const bitFit = await trained(new BitFitConfig());
  expect(await all(adapterUpdates(bitFit, "default", (path) => biases.push(path)))).toEqual([]);
  expect(biases.length).toBeGreaterThan(2);
  const pissa = await trained(new LoraConfig({ r: 1, initLoraWeights: "pissa", targetModules: ["up"] }));
  await expect(all(adapterUpdates(pissa, "default"))).rejects.toThrow("is LORA, initialised by pissa");
});

test("models of other shapes are refused by the parameter's name", async () => {
  const other = new TinyModel();
  other.setSubmodule("lm_head", other.getSubmodule("layers.0.up"));
  await expect(all(modelUpdates(new TinyModel(), other))).rejects.toThrow(
    "the parameter lm_head.weight exists only in the first model; give two models of the same architecture",
  );
  const wide = new TinyModel();
  wide.setSubmodule("lm_head", new Linear(new Parameter(zeros([12, 6]))));
  await expect(all(modelUpdates(new TinyModel(), wide))).rejects.toThrow(
    "lm_head.weight is [11,6] in the first model and [12,6] in the second",
  );
});

describe("describeSpectrum", () => {
  const svd = (values: number[]) => describeSpectrum(Float64Array.from(values), [8, 6]);

  test("equal values are of full effective and stable rank", () => {
    const found = svd([3, 3, 3, 3]);
    expect(found.effectiveRank).toBeCloseTo(4, 12);
    expect(found.stableRank).toBeCloseTo(4, 12);
    expect([...found.energy]).toEqual([0.25, 0.5, 0.75, 1]);
    expect([found.rank, found.frobeniusNorm]).toEqual([4, 6]);
  });

  test("follows the papers' definitions on unequal values", () => {
    const found = svd([4, 2, 1, 1e-9]);
    const shares = [4 / 7, 2 / 7, 1 / 7];
    expect(found.effectiveRank).toBeCloseTo(Math.exp(-shares.reduce((sum, p) => sum + p * Math.log(p), 0)), 6);
    expect(found.stableRank).toBeCloseTo(21 / 16, 12);
    expect(found.rank).toBe(3);
    expect([rankOfEnergy(found, 0.5), rankOfEnergy(found, 0.9), rankOfEnergy(found, 0.99)]).toEqual([1, 2, 3]);
  });

  test("a matrix of zeros has no rank", () => {
    expect(svd([0, 0])).toMatchObject({ rank: 0, effectiveRank: 0, stableRank: 0, frobeniusNorm: 0 });
    expect(rankOfEnergy(svd([0, 0]), 0.9)).toBe(0);
  });

  test("fits the values of a matrix that is multiplied out", () => {
    const { values } = truncatedSvd([2, 0, 0, 0, 1, 0], 2, 3, 2);
    expect(describeSpectrum(values, [2, 3]).stableRank).toBeCloseTo(1.25, 12);
  });
});

test("parameters that differ and are not matrices are left out, and norms are of the first model", async () => {
  const tuned = new TinyModel();
  for (const path of ["layers.0.up", "layers.1.norm"]) {
    const { bias } = tuned.getSubmodule(path) as Linear;
    noGrad(() => copyInto(bias as Parameter, full(bias!.shape, 0.25)));
  }
  const left: string[] = [];
  const model = new TinyModel();
  const updates = await all(modelUpdates(model, tuned, (path) => left.push(path)));
  expect(left).toEqual(["layers.0.up.bias", "layers.1.norm.bias"]);
  for (const { path, weightNorm, ...update } of updates) {
    expect(updateValues({ path, weightNorm, ...update })[0]).toBe(0);
    const { weight } = model.getSubmodule(path) as Linear;
    expect(weightNorm).toBeCloseTo(Math.hypot(...(weight.dataSync() as Float32Array)), 4);
  }
});

test("a part that cannot be merged is refused by its layer's path", async () => {
  const peft = new PeftModel(new TinyModel({ attention: true }), () => {});
  await peft.addAdapter("a", new AdaptionPromptConfig({ adapterLen: 2, adapterLayers: 1 }));
  await expect(all(adapterUpdates(peft, "a"))).rejects.toThrow(
    'adapter "a" is ADAPTION_PROMPT, whose change of layers.1.self_attn is not an additive update of the weight: it has no spectrum',
  );
});

test.each([
  { values: [0, 0, 0, 0], error: 0 },
  { values: [0.1, 0, 0, 0], error: 0 },
  { values: [0.1, 0, 0, 0.05], error: Math.sqrt(1 / 5) },
  { values: [4, 0, 0, 3], error: 3 / 5 },
])("$values has a relative error of $error at rank 1", ({ values, error }) => {
  const change = { values: Float32Array.from(values), rows: 2, columns: 2 };
  const update = { path: "a", shape: [2, 2], change, weightNorm: 1 } as const;
  expect(approximateUpdate(update, 1).relativeError).toBeCloseTo(error, 6);
  expect(approximateUpdate(update, 2).relativeError).toBeCloseTo(0, 6);
});
