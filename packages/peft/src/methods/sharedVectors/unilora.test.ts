import { bytesSource, init, openSafetensors, reference, writeSafetensors } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../../testing/tinyModel.ts";
import { UniLoraConfig, type UniLoraOptions } from "./uniloraConfig.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel().eval();
const config = (options: UniLoraOptions = {}) =>
  new UniLoraConfig({ r: 2, thetaDLength: 9, initThetaDBound: 0.5, targetModules: ["up", "down"], ...options });
const weightsFile = "adapter_model.safetensors";
const opened = (file: unknown) => openSafetensors(bytesSource(file as Uint8Array), weightsFile);

/** Writes adapter files again with the first index of `key` replaced. */
async function withIndex(files: ReadonlyMap<string, Uint8Array | string>, key: string, index: bigint) {
  const file = await opened(files.get(weightsFile));
  const tensors = await Promise.all(
    file.names().map(async (name) => {
      const stored = await file.readStored(name);
      const bytes = stored.bytes.slice();
      if (name === key) new BigInt64Array(bytes.buffer)[0] = index;
      return { name, ...stored, bytes };
    }),
  );
  return new Map(files).set(weightsFile, writeSafetensors(tensors));
}

test("files without indices contain the vector alone, and give the same outputs", async () => {
  const peft = await getPeftModel(base(), config());
  train(peft);
  const files = await peft.adapterFiles();
  const file = await opened(files.get(weightsFile));
  expect(file.names()).toEqual(["base_model.unilora_theta_d"]);
  expect(await logitBits(await PeftModel.fromPretrained(base(), files))).toEqual(await logitBits(peft));
});

test("another seed gives other outputs for the same vector", async () => {
  const peft = await getPeftModel(base(), config());
  const files = await peft.adapterFiles();
  const json = JSON.parse(files.get("adapter_config.json") as string);
  const other = new Map(files).set("adapter_config.json", JSON.stringify({ ...json, proj_seed: 43 }));
  expect(await logitBits(await PeftModel.fromPretrained(base(), other))).not.toEqual(await logitBits(peft));
});

test("files with indices store them as I64, each as often as the others or once more, and train further", async () => {
  const peft = await getPeftModel(base(), config({ saveIndices: true }));
  train(peft);
  const files = await peft.adapterFiles();
  const file = await opened(files.get(weightsFile));
  const names = file.names().filter((name) => name.includes("unilora_indices"));
  const counts = new Map<number, number>();
  for (const name of names) {
    expect(file.info(name).dtype).toBe("I64");
    const indices = new BigInt64Array((await file.readStored(name)).bytes.slice().buffer);
    for (const index of indices) counts.set(Number(index), (counts.get(Number(index)) ?? 0) + 1);
  }
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
  const again = await PeftModel.fromPretrained(base(), files, { isTrainable: true });
  expect(await logitBits(again)).toEqual(await logitBits(peft));
  expect((await again.adapterFiles()).get(weightsFile)).toEqual(files.get(weightsFile));
});

test("indices of a file replace those of the seed", async () => {
  const peft = await getPeftModel(base(), config({ saveIndices: true }));
  const key = "base_model.model.layers.0.up.unilora_indices_A";
  const file = await opened((await peft.adapterFiles()).get(weightsFile));
  const [first] = new BigInt64Array((await file.readStored(key)).bytes.slice().buffer);
  const changed = await withIndex(await peft.adapterFiles(), key, (first + 1n) % 9n);
  expect(await logitBits(await PeftModel.fromPretrained(base(), changed))).not.toEqual(await logitBits(peft));
});

test.each([
  [9n, "unilora_indices_A has the index 9; expected 0 to 8"],
  [-1n, "unilora_indices_A has the index -1; expected 0 to 8"],
  [2n ** 32n, "has the index 4294967296, which is outside the vector"],
])("the index %s is refused", async (index, message) => {
  const peft = await getPeftModel(base(), config({ saveIndices: true }));
  const key = "base_model.model.layers.0.up.unilora_indices_A";
  const damaged = await withIndex(await peft.adapterFiles(), key, index);
  await expect(PeftModel.fromPretrained(base(), damaged)).rejects.toThrow(message);
});

test("an adapter of other layers cannot be swapped in, since its indices are others", async () => {
  const peft = await getPeftModel(base(), config());
  const same = await (await getPeftModel(base(), config())).adapterFiles();
  await peft.hotswapAdapter(same, "default");
  const other = await (await getPeftModel(base(), config({ targetModules: ["up"] }))).adapterFiles();
  await expect(peft.hotswapAdapter(other, "default")).rejects.toThrow("hotswapAdapter: targetModules is");
});

test("a rank with too many elements of A and B is refused", async () => {
  await expect(getPeftModel(base(), config({ r: 2 ** 30 }))).rejects.toThrow(
    "A and B of all layers have 68719476736 elements, more than 2147483647",
  );
});
