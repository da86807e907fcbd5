import { init, reference, scope, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { LilyConfig, type LilyOptions } from "./lilyConfig.ts";

beforeAll(() => init(reference()));

const put = (options: LilyOptions) =>
  getPeftModel(new TinyModel().eval(), new LilyConfig({ r: 2, initWeights: false, ...options }));
const values = (peft: PeftModel<TinyModel>, layer: number, name: string) =>
  [...peft.adapterTensors().get(`base_model.model.layers.${layer}.up.lily_${name}.weight`)!.dataSync()].join();

test("layers of a target share B, and A by the stride; each has its own router", async () => {
  const [alone, shared] = [await put({ targetModules: ["up"] }), await put({ strideA: 2, targetModules: ["up"] })];
  for (const [peft, equal] of [[alone, false] as const, [shared, true] as const]) {
    expect(values(peft, 0, "A") === values(peft, 1, "A")).toBe(equal);
    expect(values(peft, 0, "B")).toBe(values(peft, 1, "B"));
    expect(values(peft, 0, "router")).not.toBe(values(peft, 1, "router"));
  }
  // A [2, 6], two B [2, 10], and two routers [2, 2]. The file has A and B of both layers.
  expect(shared.getNbTrainableParameters().trainable).toBe(12 + 40 + 2 * 4);
  expect(alone.getNbTrainableParameters().trainable).toBe(2 * 12 + 40 + 2 * 4);
  expect(shared.adapterTensors().size).toBe(6);
});

test("layers of different targets share nothing; a path belongs to its longest target", async () => {
  const peft = await put({ targetModules: ["up", "layers.1.up"] });
  expect(values(peft, 0, "B")).not.toBe(values(peft, 1, "B"));
});

test("an expression is one target, so its layers share", async () => {
  const peft = await put({ targetModules: ".*up" });
  expect(values(peft, 0, "B")).toBe(values(peft, 1, "B"));
});

test("a loaded adapter shares its factors again", async () => {
  const peft = await put({ strideA: 2, targetModules: ["up"] });
  const loaded = await PeftModel.fromPretrained(new TinyModel(), await peft.adapterFiles(), { isTrainable: true });
  expect(loaded.getNbTrainableParameters().trainable).toBe(12 + 40 + 2 * 4);
});

test("outputs depend on the other rows of the batch, as in PEFT", async () => {
  const peft = await put({ scaling: 8, targetModules: ["up"] });
  const first = [1, 5, 3];
  const answer = (rows: number[][]) =>
    [...scope(() => peft.forward(tensor(rows, { dtype: "i32" })).logits).dataSync()].slice(0, 33).map(Number);
  const [alone, beside] = [answer([first]), answer([first, [9, 0, 7]])];
  expect(Math.max(...alone.map((value, i) => Math.abs(value - beside[i])))).toBeGreaterThan(1e-4);
});
