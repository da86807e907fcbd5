import { bytesSource, Generator, init, openSafetensors, reference } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../../testing/tinyModel.ts";
import { TinyLoraConfig, type TinyLoraOptions } from "./tinyloraConfig.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel().eval();
const config = (options: TinyLoraOptions = {}) =>
  new TinyLoraConfig({ u: 5, targetModules: ["up", "down"], ...options });
const opened = async (peft: PeftModel<TinyModel>) => {
  const file = (await peft.adapterFiles()).get("adapter_model.safetensors");
  const tensors = await openSafetensors(bytesSource(file as Uint8Array), "f");
  const values = async (name: string) => new Float32Array((await tensors.read(name)).bytes.slice().buffer);
  return { names: tensors.names(), values };
};
const vectors = async (options: TinyLoraOptions) =>
  (await opened(await getPeftModel(base(), config(options)))).names.filter((name) => name.includes("tinylora_v"));

// The groups of PEFT 0.21.2 for the four layers.
test.each([
  [0, 4],
  [0.1, 4],
  // 2.5 groups round to 2.
  [0.375, 2],
  // 3.5 groups round to 4.
  [0.125, 4],
  [0.25, 3],
  [0.5, 2],
  [0.75, 1],
  [1, 1],
])("with weightTying %f, four layers have %i vectors", async (weightTying, count) => {
  const names = Array.from({ length: count }, (_, i) => `base_model.tinylora_v.${i}`);
  expect(await vectors({ weightTying })).toEqual(names);
});

test("if the layers cannot be divided equally, the last group has the rest", async () => {
  const targetModules = ["up", "down", "lm_head"];
  // Five layers in round(5 * 0.4) = 2 groups of two layers; the fifth is in the second group.
  expect(await vectors({ weightTying: 0.6, targetModules })).toEqual([0, 1].map((i) => `base_model.tinylora_v.${i}`));
});

test("B A has the largest singular values of the weight", async () => {
  const file = await opened(await getPeftModel(base(), config({ r: 6 })));
  const key = "base_model.model.layers.0.up";
  const [a, b] = [await file.values(`${key}.tinylora_A`), await file.values(`${key}.tinylora_B`)];
  // With all singular values, the product is the weight.
  const { weight } = base().getSubmodule("layers.0.up") as Linear;
  const [out, inputs] = weight.shape;
  for (const [at, x] of weight.dataSync().entries()) {
    const [i, j] = [Math.floor(at / inputs), at % inputs];
    let product = 0;
    for (let k = 0; k < 6; k++) product += b[6 * i + k] * a[k * inputs + j];
    expect(product).toBeCloseTo(Number(x), 5);
  }
  expect([a.length, b.length]).toEqual([6 * inputs, 6 * out]);
});

test("without projections, files are smaller, and loading draws the same ones", async () => {
  const peft = await getPeftModel(base(), config({ saveProjection: false }));
  train(peft);
  const file = await opened(peft);
  expect(file.names.some((name) => name.endsWith("tinylora_P"))).toBe(false);
  expect(await logitBits(await PeftModel.fromPretrained(base(), await peft.adapterFiles()))).toEqual(
    await logitBits(peft),
  );
  const whole = await opened(await getPeftModel(base(), config()));
  expect(whole.names.filter((name) => name.endsWith("tinylora_P"))).toHaveLength(4);
});

test("projections of a file replace those of the seed", async () => {
  const peft = await getPeftModel(base(), config());
  train(peft);
  const files = await peft.adapterFiles();
  const json = JSON.parse(files.get("adapter_config.json") as string);
  const other = new Map(files).set("adapter_config.json", JSON.stringify({ ...json, projection_seed: 43 }));
  expect(await logitBits(await PeftModel.fromPretrained(base(), other))).toEqual(await logitBits(peft));
});

test("each layer has its own projections", async () => {
  const file = await opened(await getPeftModel(base(), config()));
  const names = file.names.filter((name) => name.endsWith("tinylora_P"));
  const values = await Promise.all(names.map(async (name) => (await file.values(name)).join()));
  expect(new Set(values).size).toBe(4);
});

test("uniform starts are within the bound, and other starts are zero", async () => {
  const start = async (options: TinyLoraOptions) => {
    const peft = await getPeftModel(base(), config({ u: 400, ...options }), { generator: new Generator(3) });
    return [...(await (await opened(peft)).values("base_model.tinylora_v.0"))];
  };
  const values = await start({ initWeights: "uniform", initVBound: 0.3 });
  expect(Math.max(...values)).toBeCloseTo(0.3, 1);
  expect(Math.min(...values)).toBeCloseTo(-0.3, 1);
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.3);
  for (const initWeights of [true, false]) expect(new Set(await start({ initWeights }))).toEqual(new Set([0]));
});

test("a quantised base needs an adapter that was made before", async () => {
  const quantized = () => new TinyModel({ quantize: { quantType: "nf4" } }).eval();
  const targetModules = ["up"];
  await expect(getPeftModel(quantized(), config({ targetModules }))).rejects.toThrow(
    "but TINYLORA needs singular vectors of its weight: load the model without quantize",
  );
  const files = await (await getPeftModel(base(), config({ targetModules, initWeights: "uniform" }))).adapterFiles();
  const loaded = await PeftModel.fromPretrained(quantized(), files);
  const bare = await loaded.disableAdapter(() => logitBits(loaded));
  expect(await logitBits(loaded)).not.toEqual(bare);
});

test("an adapter of other layers cannot be swapped in, since its seeds are others", async () => {
  const peft = await getPeftModel(base(), config());
  await peft.hotswapAdapter(await (await getPeftModel(base(), config())).adapterFiles(), "default");
  const other = await (await getPeftModel(base(), config({ targetModules: ["up"] }))).adapterFiles();
  await expect(peft.hotswapAdapter(other, "default")).rejects.toThrow("hotswapAdapter: targetModules is");
});

test("adapters with and without saved projections work on one model", async () => {
  const peft = await getPeftModel(base(), config());
  await peft.addAdapter("other", config({ saveProjection: false }));
  expect([...peft.peftConfig.keys()]).toEqual(["default", "other"]);
});
