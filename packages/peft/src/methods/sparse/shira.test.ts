import { init, reference, writeSafetensors } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { ShiraConfig } from "./shiraConfig.ts";

beforeAll(() => init(reference()));

const targetModules = ["layers.0.up", "layers.1.up"];
const key = (layer: number, name: string) => `base_model.model.layers.${layer}.up.shira_${name}`;

/** Returns the files of an adapter of r 1 on both `up` layers [10, 6], with these rows and columns and changes 1. */
function saved(indices: readonly number[], fields: object = {}) {
  const n = indices.length / 2;
  const tensors = [0, 1].flatMap((layer) => [
    {
      ...({ name: key(layer, "weight"), dtype: "f32", shape: [n] } as const),
      bytes: new Uint8Array(new Float32Array(n).fill(1).buffer),
    },
    {
      ...({ name: key(layer, "indices"), dtype: "i32", shape: [2, n] } as const),
      bytes: new Uint8Array(Int32Array.from(indices).buffer),
    },
  ]);
  const config = { peft_type: "SHIRA", r: 1, target_modules: targetModules, ...fields };
  return new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
}

const rows = Array.from({ length: 16 }, (_, i) => i % 10);
const columns = Array.from({ length: 16 }, (_, i) => (i < 10 ? i % 6 : (i + 3) % 6));

test.each([
  [null, 67280421310721],
  [5, 5],
])("with seed %s, layers of a size train the same elements, which PyTorch would draw", async (randomSeed, seed) => {
  const config = new ShiraConfig({ r: 1, randomSeed, targetModules });
  const peft = await getPeftModel(new TinyModel(), config);
  const tensors = peft.adapterTensors();
  const drawn = [...new TorchGenerator(seed).randperm(60, 16)].sort((a, b) => a - b);
  for (const layer of [0, 1]) {
    const indices = tensors.get(key(layer, "indices"))!;
    expect([indices.dtype, indices.shape]).toEqual(["i32", [2, 16]]);
    const expected = [...drawn.map((place) => Math.floor(place / 6)), ...drawn.map((place) => place % 6)];
    expect([...indices.dataSync()].map(Number)).toEqual(expected);
  }
});

test("positions come from the file, and only they change", async () => {
  const model = new TinyModel();
  const up = model.layers.at(0).up as Linear;
  const before = [...up.weight.dataSync()].map(Number);
  const files = saved([...rows, ...columns], { mask_type: "mine" });
  const peft = await PeftModel.fromPretrained(model, files, { onWarning: () => {} });
  await peft.mergeAndUnload();
  const changed = rows.map((row, i) => row * 6 + columns[i]);
  for (const [i, value] of [...up.weight.dataSync()].entries()) {
    expect(Number(value) - before[i]).toBeCloseTo(changed.includes(i) ? 1 : 0, 5);
  }
});

test("a hot swap moves the positions", async () => {
  const onWarning = () => {};
  const peft = await PeftModel.fromPretrained(new TinyModel(), saved([...rows, ...columns]), { onWarning });
  const other = saved([...rows.map((row) => 9 - row), ...columns]);
  await peft.hotswapAdapter(other, "default");
  const fresh = await PeftModel.fromPretrained(new TinyModel(), other, { onWarning });
  const weightOf = async (one: PeftModel<TinyModel>) => {
    const model = await one.mergeAndUnload();
    return [...(model.layers.at(0).up as Linear).weight.dataSync()];
  };
  expect(await weightOf(peft)).toEqual(await weightOf(fresh));
});

test("positions outside of the weight are refused", async () => {
  const files = saved([...rows.slice(1), 10, ...columns]);
  await expect(PeftModel.fromPretrained(new TinyModel(), files, { onWarning: () => {} })).rejects.toThrow(
    /layers\.0\.up\.shira_indices has row 10 and column \d, but the weight is \[10,6\]/,
  );
});

test("more elements than a weight has, and masks of functions, are refused", async () => {
  const put = (options: object) => getPeftModel(new TinyModel(), new ShiraConfig({ targetModules, ...options }));
  await expect(put({ r: 4 })).rejects.toThrow("layers.0.up is [10,6]: r 4 must be at most 3");
  await expect(put({ r: 1, maskType: "mine" })).rejects.toThrow('maskType is "mine"; it must be "random"');
});
