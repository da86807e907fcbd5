import { Generator, init, memory, reference } from "@lowrank/core";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig, PeftModel } from "@lowrank/peft";
import { beforeAll, expect, test, vi } from "vitest";
import { AdapterChecks } from "../adapters/checkAdapter.ts";
import { PagePool } from "../cache/pagePool.ts";
import { tinyLlama } from "../testing/tinyModel.ts";
import { ModelAdapters } from "./modelAdapters.ts";
import { Mutex } from "./mutex.ts";

beforeAll(() => init(reference()));

async function filesOf(config: PeftConfig, dtype: "f32" | "f16") {
  const peft = await getPeftModel(tinyLlama(), config);
  return peft.adapterFiles(["default"], { dtype });
}

function hostOf(peft: PeftModel): ModelAdapters {
  return new ModelAdapters(peft, new PagePool({ pages: 1, pageSize: 1 }), new Mutex());
}

const lora = () => new LoraConfig({ r: 4, targetModules: ["q_proj", "down_proj"], initLoraWeights: false });
const ia3 = () => new IA3Config({ targetModules: ["k_proj", "down_proj"], feedforwardModules: ["down_proj"] });

test("factors take the file's half precision, and f32 where the method computes in that", async () => {
  const host = hostOf(new PeftModel(tinyLlama()));
  const half = await host.load("a", await filesOf(lora(), "f16"));
  const full = await host.load("b", await filesOf(lora(), "f32"));
  // 2 layers of q_proj [16, 16] and down_proj [16, 24].
  expect(full).toEqual({ bytes: 4 * 2 * 4 * (16 + 16 + 16 + 24), method: "LORA", copied: false });
  expect(half).toEqual({ ...full, bytes: full.bytes / 2 });
  // 2 layers of k_proj's outputs and down_proj's inputs.
  expect(await host.load("c", await filesOf(ia3(), "f16"))).toMatchObject({ bytes: 4 * 2 * (8 + 24), method: "IA3" });
});

test("a version that left counts again when it comes back", async () => {
  const host = hostOf(new PeftModel(tinyLlama()));
  const files = await filesOf(lora(), "f32");
  const { bytes } = await host.load("a", files);
  await host.unload("a");
  expect((await host.load("a", files)).bytes).toBe(bytes);
});

/** Returns the files of an adapter, and its values from checks that share layouts. */
async function loadable(checks: AdapterChecks, seed: number, config: PeftConfig = lora()) {
  const generator = new Generator(seed);
  const peft = await getPeftModel(tinyLlama(), config, { generator });
  const files = await peft.adapterFiles();
  const expected = new Map<string, number[]>();
  for (const [key, tensor] of peft.adapterTensors()) expected.set(key, [...(await tensor.data())]);
  for (const parameter of peft.parameters()) parameter.dispose();
  const weights = files.get("adapter_model.safetensors") as Uint8Array<ArrayBuffer>;
  const file = { name: "adapter_model.safetensors", size: weights.length, tag: "" };
  const text = files.get("adapter_config.json") as string;
  const folder = { path: "a", config: { ...file, name: "adapter_config.json" }, weights: file, state: "" };
  const content = { version: `${seed}`, config: text, configHash: "", weights, files, folder };
  return { files, values: await checks.check(content, "a"), expected };
}

async function valuesOn(peft: PeftModel) {
  const [name] = peft.peftConfig.keys();
  const found = new Map<string, number[]>();
  for (const [key, tensor] of peft.adapterTensors(name)) found.set(key, [...(await tensor.data())]);
  return found;
}

test("a version that gives way leaves its tensors to the next one of its layout", async () => {
  const peft = new PeftModel(tinyLlama());
  const host = hostOf(peft);
  const checks = new AdapterChecks({}, () => {});
  const [a, b] = [await loadable(checks, 1), await loadable(checks, 2)];
  const first = await host.load("a", a.files, a.values);
  const [before, tensors] = [memory(), new Set([...peft.parameters()])];
  await host.unload("a", { givesWay: true });
  expect(await host.load("b", b.files, b.values)).toEqual({ ...first, copied: true });
  b.values.bytes.fill(0);
  expect(memory()).toMatchObject({ bytes: before.bytes, buffers: before.buffers });
  expect(new Set([...peft.parameters()])).toEqual(tensors);
  expect(await valuesOn(peft)).toEqual(b.expected);
  expect(b.expected).not.toEqual(a.expected);
  host.run(["b", null], () => undefined);
  expect(() => host.run(["a", null], () => undefined)).toThrow('there is no adapter "a"');
});

test("tensors that were left are freed by a load of another layout, and where nothing follows", async () => {
  const peft = new PeftModel(tinyLlama());
  const host = hostOf(peft);
  const checks = new AdapterChecks({}, () => {});
  const bare = memory();
  const [a, wide] = [await loadable(checks, 1), await loadable(checks, 2, lora().with({ r: 8 }))];
  await host.load("a", a.files, a.values);
  await host.unload("a", { givesWay: true });
  const { bytes } = await host.load("wide", wide.files, wide.values);
  expect(memory().bytes).toBe(bare.bytes + bytes);
  expect(await valuesOn(peft)).toEqual(wide.expected);
  await host.unload("wide", { givesWay: true });
  await host.clear();
  expect(memory()).toMatchObject({ bytes: bare.bytes, buffers: bare.buffers });
});

test.each([
  ["DoRA", lora().with({ useDora: true })],
  ["biases of LoRA", lora().with({ loraBias: true })],
  ["factors of IA3", ia3()],
])("tensors are not left where more than products was made of the file: %s", async (_, config) => {
  const host = hostOf(new PeftModel(tinyLlama()));
  const checks = new AdapterChecks({}, () => {});
  const { files, values } = await loadable(checks, 1, config);
  const bare = memory();
  await host.load("a", files, values);
  await host.unload("a", { givesWay: true });
  expect(memory()).toMatchObject({ bytes: bare.bytes, buffers: bare.buffers });
});

test("several versions of one layout may give way, and each leaves its tensors to another", async () => {
  const peft = new PeftModel(tinyLlama());
  const host = hostOf(peft);
  const checks = new AdapterChecks({}, () => {});
  const bare = memory();
  for (const [i, version] of ["a", "b"].entries()) {
    const { files, values } = await loadable(checks, i, lora());
    await host.load(version, files, values);
  }
  expect([...peft.peftConfig.keys()]).toEqual(["served-0", "served-1"]);
  for (const version of ["a", "b"]) await host.unload(version, { givesWay: true });
  for (const [i, version] of ["c", "d"].entries()) {
    const { files, values } = await loadable(checks, 5 + i, lora());
    expect(await host.load(version, files, values)).toMatchObject({ copied: true });
  }
  for (const version of ["c", "d", "unknown"]) await host.unload(version);
  expect(memory()).toMatchObject({ bytes: bare.bytes, buffers: bare.buffers });
});

test("rows have the names of their versions, whatever rows the pass before had", async () => {
  const peft = new PeftModel(tinyLlama());
  const host = hostOf(peft);
  for (const version of ["a", "b"]) await host.load(version, await filesOf(lora(), "f32"));
  const given = vi.spyOn(peft, "withAdapterNames");
  const passes = [["a", "b"], ["a"], ["a", "b"], ["a", "b"], ["b", "a"], [null, null], ["a", null]];
  for (const versions of passes) expect(host.run(versions, () => versions.length)).toBe(versions.length);
  const [a, b, base] = ["served-0", "served-1", "__base__"];
  expect(given.mock.calls.map(([names]) => names)).toEqual([[a, b], [a], [a, b], [a, b], [b, a], [a, base]]);
  given.mockRestore();
});

test("rows of the base model are under no adapter, also if the model has an active one", async () => {
  const peft = await getPeftModel(tinyLlama(), lora());
  const given = vi.spyOn(peft, "withAdapterNames");
  hostOf(peft).run([null], () => undefined);
  expect(given.mock.calls.map(([names]) => names)).toEqual([["__base__"]]);
  given.mockRestore();
});
