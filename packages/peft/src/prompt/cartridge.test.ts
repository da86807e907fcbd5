import { Generator, init, reference } from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import { CartridgeConfig } from "../methods/prompt/cartridge.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel({ attention: true }).eval();
const make = (numFrozenTokens?: number) => new CartridgeConfig({ numVirtualTokens: 3, numFrozenTokens });
const width = 2 * 2 * 3;

async function started(seed: number, numFrozenTokens?: number): Promise<PeftModel<TinyModel>> {
  return getPeftModel(base(), make(numFrozenTokens), { generator: new Generator(seed) });
}

function rowsOf(peft: PeftModel<TinyModel>): number[] {
  return [...peft.adapterTensors().get("prompt_embeddings")!.dataSync()].map(Number);
}

const frozenOf = (peft: PeftModel<TinyModel>) =>
  [...peft.namedParameters()].filter(([name]) => name.endsWith("frozen_embedding")).map(([, p]) => p.requiresGrad);

it.each([0, 1, 2])("the first %i tokens stay as they are, and the others are trained", async (frozen) => {
  const peft = await started(1, frozen);
  const before = rowsOf(peft);
  train(peft, 2);
  const after = rowsOf(peft);
  expect(after.slice(0, frozen * width)).toEqual(before.slice(0, frozen * width));
  for (let i = frozen; i < 3; i++) {
    expect(after.slice(i * width, (i + 1) * width)).not.toEqual(before.slice(i * width, (i + 1) * width));
  }
  expect(peft.getNbTrainableParameters().trainable).toBe((3 - frozen) * width);
});

it("a loaded adapter can be trained further, without its frozen tokens", async () => {
  const peft = await started(1, 2);
  train(peft, 2);
  const loaded = await PeftModel.fromPretrained(base(), await peft.adapterFiles(), { isTrainable: true });
  expect(rowsOf(loaded)).toEqual(rowsOf(peft));
  expect(frozenOf(loaded)).toEqual([false]);
  train(loaded, 2);
  expect(rowsOf(loaded).slice(0, 2 * width)).toEqual(rowsOf(peft).slice(0, 2 * width));
  expect(rowsOf(loaded).slice(2 * width)).not.toEqual(rowsOf(peft).slice(2 * width));
});

it("a hot swap copies the frozen tokens too, and they stay frozen", async () => {
  const [peft, other] = [await started(1), await started(2)];
  train(other, 2);
  expect(rowsOf(peft).slice(0, width)).not.toEqual(rowsOf(other).slice(0, width));
  await peft.hotswapAdapter(await other.adapterFiles());
  expect(rowsOf(peft)).toEqual(rowsOf(other));
  expect(await logitBits(peft)).toEqual(await logitBits(other));
  expect(frozenOf(peft)).toEqual([false]);
  train(peft, 2);
  expect(rowsOf(peft).slice(0, width)).toEqual(rowsOf(other).slice(0, width));
});

it("a hot swap refuses another number of frozen tokens", async () => {
  const [peft, other] = [await started(1), await started(2, 2)];
  const before = rowsOf(peft);
  await expect(peft.hotswapAdapter(await other.adapterFiles())).rejects.toThrow(
    'hotswapAdapter: numFrozenTokens is 2 in the new files, but 1 in adapter "default"',
  );
  expect(rowsOf(peft)).toEqual(before);
});

it("refuses a number of frozen tokens that does not fit", () => {
  expect(() => make(-1)).toThrow("CartridgeConfig: numFrozenTokens is -1");
  expect(() => make(0.5)).toThrow("CartridgeConfig: numFrozenTokens is 0.5");
  expect(() => make(4)).toThrow("CartridgeConfig: numFrozenTokens is 4");
  expect(make(3).numFrozenTokens).toBe(3);
});
