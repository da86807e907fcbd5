import { full, Generator, init, reference } from "@lowrank/core";
import { addInto } from "@lowrank/core/internal";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { BitFitConfig } from "../methods/vectors/bitFitConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const lora = new LoraConfig({ r: 2, targetModules: ["up", "down"], initLoraWeights: false });

/** Returns a model with the active adapter "default" and the inactive adapter "b". */
async function twoAdapters(active: LoraConfig, other: LoraConfig) {
  const peft = await getPeftModel(new TinyModel().eval(), active);
  await peft.addAdapter("b", other, { generator: new Generator(3) });
  return peft.eval();
}

/** Returns the logits with one adapter active. */
async function logitsOf(peft: PeftModel<TinyModel>, name: string): Promise<Float32Array> {
  const { activeAdapter } = peft;
  peft.setAdapter(name);
  const bits = await logitBits(peft);
  peft.setAdapter(activeAdapter as string);
  return new Float32Array(bits.slice().buffer);
}

/** Adds 0.5 to all biases of the active adapter. */
function raiseBiases(peft: PeftModel<TinyModel>): void {
  const biases = [...peft.adapterTensors()].filter(([key]) => key.endsWith("bias"));
  expect(biases.length).toBeGreaterThan(0);
  for (const [, bias] of biases) addInto(bias.detach(), full(bias.shape, 0.5), {});
}

/** Returns the largest difference between logits. */
const apart = (a: Float32Array, b: Float32Array) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
const now = async (model: TinyModel) => new Float32Array((await logitBits(model)).slice().buffer);

test("an inactive adapter named in adapterNames is merged in place of the active one", async () => {
  const peft = await twoAdapters(lora, lora);
  const [own, other] = [await logitsOf(peft, "default"), await logitsOf(peft, "b")];
  expect(apart(own, other)).toBeGreaterThan(0.1);
  const merged = await peft.mergeAndUnload({ adapterNames: ["b"] });
  expect(peft.mergeReport?.adapters).toEqual(["b"]);
  expect(apart(await now(merged), other)).toBeLessThan(1e-4);
});

test("one with biases of its own is refused until it is active", async () => {
  const peft = await twoAdapters(lora, lora.with({ bias: "all" }));
  const names = { adapterNames: ["b"] };
  const live = await logitsOf(peft, "default");
  const advice = 'adapter "b" has its own biases or tables; make it active with setAdapter before merging';
  await expect(peft.mergeAdapter(names)).rejects.toThrow(advice);
  await expect(peft.mergeAndUnload(names)).rejects.toThrow(advice);
  expect(peft.isMerged).toBe(false);
  expect(await logitsOf(peft, "default")).toEqual(live);
  peft.setAdapter("b");
  raiseBiases(peft);
  const other = await logitsOf(peft, "b");
  expect(apart(await now(await peft.mergeAndUnload(names)), other)).toBeLessThan(1e-4);
});

test("biases that the active adapter trained leave with it when another is merged", async () => {
  const peft = await twoAdapters(lora.with({ bias: "all" }), lora);
  const other = await logitsOf(peft, "b");
  raiseBiases(peft);
  const merged = await peft.mergeAndUnload({ adapterNames: ["b"] });
  expect(apart(await now(merged), other)).toBeLessThan(1e-4);
});

test("two adapters that replace their layers are not merged together, nor one bias of an inactive adapter", async () => {
  const bits = new BitFitConfig({ targetModules: ["layers.0.up"] });
  const both = await getPeftModel(new TinyModel(), bits, { adapterName: "a", onWarning: () => {} });
  await both.addAdapter("b", bits);
  await expect(both.mergeAdapter({ adapterNames: ["a", "b"] })).rejects.toThrow(
    'adapter "a" replaces parameters of its layers instead of adding to them: merge it alone, not with 1 others',
  );
  const one = new LoraConfig({ r: 2, bias: "lora_only", targetModules: ["layers.0.up"] });
  const peft = await getPeftModel(new TinyModel(), one, { adapterName: "a", onWarning: () => {} });
  await peft.addAdapter("b", new LoraConfig({ r: 2, targetModules: ["down"] }));
  peft.setAdapter("b");
  await expect(peft.mergeAdapter({ adapterNames: ["a"] })).rejects.toThrow(
    'adapter "a" has its own biases or tables; make it active with setAdapter before merging',
  );
});
