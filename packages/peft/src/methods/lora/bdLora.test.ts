import { init, matmul, reference, scope, type Tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { toMlx } from "../../foreign/mlx.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { LoraConfig, type LoraOptions } from "./loraConfig.ts";

beforeAll(() => init(reference()));

const blocks = { nblocks: 2, targetModulesBdA: ["0.up"], targetModulesBdB: ["1.up"] };
const options: LoraOptions = { r: 4, targetModules: ["up"], useBdlora: blocks };
const made = (given: LoraOptions = options) => getPeftModel(new TinyModel(), new LoraConfig(given));
const logits = (model: { forward(ids: Tensor): { logits: Tensor } }) =>
  scope(() => model.forward(tinyBatch()).logits).dataSync();
const keyOf = (layer: number, factor: string) => `base_model.model.layers.${layer}.up.lora_${factor}.weight`;

test("a factor has only its blocks, a new adapter changes nothing, and files give the same adapter", async () => {
  const peft = await made();
  const shapes = Object.fromEntries([...peft.adapterTensors()].map(([key, { shape }]) => [key, shape]));
  expect(shapes).toEqual({
    [keyOf(0, "A")]: [4, 3],
    [keyOf(0, "B")]: [10, 4],
    [keyOf(1, "A")]: [4, 6],
    [keyOf(1, "B")]: [10, 2],
  });
  expect(await logitBits(peft)).toEqual(await logitBits(new TinyModel()));
  const losses = train(peft, 6);
  expect(losses.at(-1)).toBeLessThan(losses[0]);
  const files = await peft.adapterFiles();
  expect(JSON.parse(files.get("adapter_config.json") as string).use_bdlora).toEqual({
    ...{ target_modules_bd_a: ["0.up"], target_modules_bd_b: ["1.up"], nblocks: 2, match_strict: true },
  });
  const again = await PeftModel.fromPretrained(new TinyModel(), files);
  expect(await logitBits(again)).toEqual(await logitBits(peft));
  await expect(toMlx(files)).rejects.toThrow("use_bdlora makes factors of blocks, which mlx-lm's format cannot hold");
});

test("the merged weights have the product of the factors with zeros outside of the blocks", async () => {
  const peft = await made();
  train(peft, 6);
  const [a, b] = [peft.adapterTensors().get(keyOf(0, "A"))!, peft.adapterTensors().get(keyOf(0, "B"))!];
  const before = [...new TinyModel().layers][0].up as unknown as { weight: Tensor };
  // The blocks [2, 3] of A act on the first and on the last three inputs.
  const products = [0, 1].map((i) =>
    matmul(b.slice(null, [2 * i, 2 * i + 2]), a.slice([2 * i, 2 * i + 2]), {}).dataSync(),
  );
  const live = logits(peft);
  const model = await peft.mergeAndUnload();
  for (const [i, value] of logits(model).entries()) expect(Math.abs(value - live[i])).toBeLessThan(1e-5);
  const after = ([...model.layers][0].up as unknown as { weight: Tensor }).weight.dataSync();
  const scaling = 8 / 4;
  for (const [i, value] of after.entries()) {
    const [row, column] = [Math.floor(i / 6), i % 6];
    const change = products[Math.floor(column / 3)][3 * row + (column % 3)];
    expect(Math.abs(value - before.weight.dataSync()[i] - scaling * change)).toBeLessThan(1e-6);
  }
});

test("other layers have plain LoRA without matchStrict", async () => {
  const peft = await made({ ...options, targetModules: ["up", "down"], useBdlora: { ...blocks, matchStrict: false } });
  expect(peft.adapterTensors().get("base_model.model.layers.0.down.lora_A.weight")?.shape).toEqual([4, 10]);
});

test.each<[LoraOptions, string]>([
  [{ useBdlora: { ...blocks, nblocks: 5 }, r: 5 }, "nblocks is 5; it must divide the rank 5 and the 6 inputs"],
  [{ useBdlora: { ...blocks, nblocks: 2 }, r: 3 }, "nblocks is 2; it must divide the rank 3 and the 6 inputs"],
  [
    { useBdlora: { targetModulesBdA: ["0.up"] } },
    "layers.1.up matches no name of targetModulesBdA or targetModulesBdB",
  ],
  [{ useBdlora: { ...blocks, targetModulesBdB: ["up"] } }, "layers.0.up matches a name of targetModulesBdA and one of"],
  [{ targetModules: ["down"], useBdlora: { targetModulesBdA: ["down"] } }, "layers.0.down is a conv1d layer"],
  [
    { targetModules: ["embed_tokens"] },
    "embed_tokens is an embedding, and useBdlora is for linear layers; leave the embedding out",
  ],
])("%j does not fit the model", async (given, message) => {
  await expect(made({ ...options, ...given })).rejects.toThrow(message);
});

test.each<[LoraOptions, string]>([
  [{ useDora: true }, "useDora is true; it must be false with useBdlora"],
  [{ loraBias: true }, "loraBias is true; it must be false with useBdlora"],
  [{ initLoraWeights: "olora" }, 'initLoraWeights is "olora"; it must be true, false or "gaussian" with useBdlora'],
  [{ useBdlora: { nblocks: 0 } }, "useBdlora.nblocks is 0"],
  [{ useBdlora: { matchStrict: 1 as unknown as boolean } }, "useBdlora.matchStrict is 1"],
  [{ useBdlora: { targetModulesBdA: "up" as unknown as string[] } }, 'useBdlora.targetModulesBdA is "up"'],
  [{ useBdlora: { targetModulesBdA: ["up"], targetModulesBdB: ["up"] } }, 'useBdlora.targetModulesBdA is "up"'],
])("%j is refused when the adapter is added", async (given, message) => {
  await expect(made({ ...options, ...given })).rejects.toThrow(message);
});

test("an unknown option of useBdlora is refused at once", () => {
  const message = "LoraConfig: useBdlora: there is no option blocks; did you mean nblocks?";
  expect(() => new LoraConfig({ ...options, useBdlora: { blocks: 2 } as object })).toThrow(message);
});

test("two such adapters cannot be combined", async () => {
  const peft = await made();
  await peft.addAdapter("other", new LoraConfig(options));
  const combined = peft.addWeightedAdapter(["default", "other"], [1, 1], "both", { combinationType: "linear" });
  await expect(combined).rejects.toThrow("has useBdlora, whose blocks cannot be combined");
});
