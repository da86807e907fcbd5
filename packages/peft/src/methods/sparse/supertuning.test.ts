import { init, reference, writeSafetensors } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { extremes } from "./extremes.ts";
import { SupertuningConfig, type SupertuningOptions } from "./supertuningConfig.ts";

beforeAll(() => init(reference()));

const key = "base_model.model.layers.0.up.supertuning_indices";
const put = (options: SupertuningOptions, model = new TinyModel()) =>
  getPeftModel(model, new SupertuningConfig({ targetModules: ["layers.0.up"], ...options }));

test.each([true, false])("the most extreme magnitudes first, by sorting; top %s", (top) => {
  const values = Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i * i + 0.5) * 10 ** (i % 7));
  const order = Array.from(values.keys()).sort((i, j) => (top ? -1 : 1) * (Math.abs(values[i]) - Math.abs(values[j])));
  for (const count of [1, 2, 77, 2999, 3000]) {
    const found = extremes(values, count, top);
    expect([...found.positions]).toEqual(order.slice(0, count));
    expect(found.tied).toBe(false);
  }
});

test("equal magnitudes are ties if one of them is chosen", () => {
  const values = Float32Array.of(1, -3, 2, 3, -2, 0.5);
  expect(extremes(values, 1, true).tied).toBe(true);
  expect(extremes(values, 2, true)).toEqual({ positions: Int32Array.of(1, 3), tied: true });
  expect(extremes(values, 2, false)).toEqual({ positions: Int32Array.of(5, 0), tied: false });
  expect(extremes(values, 3, false).tied).toBe(true);
});

test("positions from weights with equal magnitudes are refused, in new and in loaded adapters", async () => {
  const half = () => new TinyModel({ quantize: { quantType: "nf4" } });
  const options = { sparsity: 0.5, savePrecomputedIndices: false };
  const message = "layers.0.up has elements of equal magnitude";
  await expect(put(options, half())).rejects.toThrow(message);
  const files = await (await put(options)).adapterFiles();
  await expect(PeftModel.fromPretrained(half(), files, { onWarning: () => {} })).rejects.toThrow(message);
  await put({ sparsity: 0.5 }, half());
});

test("a sparsity that leaves no element is refused", async () => {
  await expect(put({ sparsity: 0.99 })).rejects.toThrow(
    "layers.0.up is [10,6]: with sparsity 0.99 none of its elements train; choose a smaller value",
  );
  await put({ sparsity: 0.98 });
});

test("positions outside of the weight are refused", async () => {
  const peft = await put({ sparsity: 0.9 });
  const indices = peft.adapterTensors().get(key)!;
  expect([indices.dtype, indices.shape]).toEqual(["i32", [5]]);
  for (const wrong of [60, -1]) {
    const tensors = [...peft.adapterTensors()].map(([name, t]) => {
      const values = name === key ? Int32Array.of(0, 1, wrong, 3, 4) : new Float32Array(t.size);
      const dtype = name === key ? ("i32" as const) : ("f32" as const);
      return { name, dtype, shape: [...t.shape], bytes: new Uint8Array(values.buffer) };
    });
    const files = new Map(await peft.adapterFiles()).set("adapter_model.safetensors", writeSafetensors(tensors));
    await expect(PeftModel.fromPretrained(new TinyModel(), files, { onWarning: () => {} })).rejects.toThrow(
      `layers.0.up.supertuning_indices has ${wrong}, but the weight has 60 elements`,
    );
  }
});
