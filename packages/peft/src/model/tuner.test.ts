import { Generator, init, memory, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { PromptTuningConfig } from "../methods/prompt/promptTuning.ts";
import { VeraConfig } from "../methods/sharedVectors/veraConfig.ts";
import { BitFitConfig } from "../methods/vectors/bitFitConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const lora = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up"] });

async function made(configs: Readonly<Record<string, PeftConfig>>): Promise<PeftModel<TinyModel>> {
  const peft = new PeftModel(new TinyModel().eval(), () => {});
  for (const [i, [name, config]] of Object.entries(configs).entries()) {
    await peft.addAdapter(name, config, { generator: new Generator(i + 1) });
  }
  return peft;
}

test("adapters that act are the active one, those of rows, and none on a bare or merged model", async () => {
  const peft = await made({ a: lora, b: lora });
  const tuner = peft.base_model;
  expect(tuner.acting).toEqual([]);
  peft.setAdapter("a");
  expect(tuner.acting).toEqual(["a"]);
  peft.disableAdapter(() => expect(tuner.acting).toEqual([]));
  peft.withAdapterNames(["b", "__base__", "a", "b"], () => expect(tuner.acting).toEqual(["b", "a"]));
  peft.withAdapterNames(["__base__"], () => expect(tuner.acting).toEqual([]));
  await peft.mergeAdapter();
  expect([tuner.acting, tuner.mergedNames]).toEqual([[], ["a"]]);
  peft.unmergeAdapter();
  expect([tuner.acting, tuner.mergedNames]).toEqual([["a"], []]);
});

test("adapters are found by their names", async () => {
  const peft = await made({});
  expect(() => peft.base_model.adapter("x")).toThrow(new Error('there is no adapter "x"; there are none'));
  expect(() => peft.setAdapter("x")).toThrow('there is no adapter "x"; there are none');
  await peft.addAdapter("a", lora);
  await peft.addAdapter("b", lora);
  expect(() => peft.deleteAdapter("x")).toThrow(new Error('there is no adapter "x"; there are a, b'));
  await expect(peft.addAdapter("a", lora)).rejects.toThrow(
    new Error('there is an adapter "a" already; choose another name or delete it'),
  );
  expect([...peft.base_model.adapters.keys()]).toEqual(["a", "b"]);
});

test("while an adapter is being added, the model runs and refuses other changes", async () => {
  const peft = await made({ a: lora });
  peft.setAdapter("a");
  const before = await logitBits(peft);
  const adding = peft.addAdapter("b", lora);
  const until = 'while adapter "b" is being added; await that first';
  await expect(peft.addAdapter("c", lora)).rejects.toThrow(new Error(`cannot add an adapter ${until}`));
  expect(() => peft.setAdapter("a")).toThrow(new Error(`cannot set an adapter ${until}`));
  expect(() => peft.deleteAdapter("a")).toThrow(new Error(`cannot delete an adapter ${until}`));
  expect(await logitBits(peft)).toEqual(before);
  await adding;
  await peft.addAdapter("c", lora);
  await expect(peft.addAdapter("d", new LoraConfig({ targetModules: ["none"] }))).rejects.toThrow("none");
  peft.setAdapter("c");
  expect(peft.activeAdapter).toBe("c");
});

test("while the model is bare or merges, changes are refused", async () => {
  const peft = await made({ a: lora, b: lora });
  peft.setAdapter("a");
  await peft.disableAdapter(async () => {
    expect(() => peft.setAdapter("b")).toThrow(
      new Error("cannot set an adapter inside of disableAdapter; do it before or after"),
    );
    await expect(peft.addAdapter("c", lora)).rejects.toThrow("cannot add an adapter inside of disableAdapter");
  });
  const merging = peft.mergeAdapter();
  const until = "while adapters are being merged; await that first";
  expect(() => peft.setAdapter("b")).toThrow(new Error(`cannot set an adapter ${until}`));
  expect(() => peft.disableAdapter(() => 0)).toThrow(
    new Error(`cannot disable adapters (name "__base__" for rows without one) ${until}`),
  );
  await merging;
  peft.unmergeAdapter();
  peft.setAdapter("b");
  expect(peft.activeAdapter).toBe("b");
});

test("an adapter that no row has may be deleted or added beside the rows of others", async () => {
  const peft = await made({ a: lora, b: lora, c: lora });
  peft.setAdapter("a");
  await peft.withAdapterNames(["a", "b"], async () => {
    expect(() => peft.deleteAdapter("b")).toThrow(
      new Error("cannot delete an adapter inside of withAdapterNames; do it before or after"),
    );
    peft.deleteAdapter("c");
    await peft.addAdapter("d", lora);
  });
  expect([...peft.base_model.adapters.keys()]).toEqual(["a", "b", "d"]);
  expect(peft.activeAdapter).toBe("a");
  peft.deleteAdapter("a");
  expect(peft.activeAdapter).toBe(null);
});

test("a batch of the same rows is the same object, and new adapters are checked once", async () => {
  const peft = await made({ a: lora, b: lora });
  const tuner = peft.base_model;
  const checked: string[] = [];
  const of = (...rows: (string | null)[]) => tuner.batchOf(rows, (name) => checked.push(name));
  const first = of("a", null, "a");
  expect(of("a", null, "a")).toBe(first);
  expect(checked).toEqual(["a"]);
  expect(of("a", null)).not.toBe(first);
  expect(checked).toEqual(["a"]);
  const second = of("b", null);
  expect(checked).toEqual(["a", "b"]);
  expect(of("b", "a")).not.toBe(second);
  expect(checked).toEqual(["a", "b", "a"]);
  peft.deleteAdapter("a");
  of("b", null);
  expect(checked).toEqual(["a", "b", "a", "b"]);
});

test("the parameters of the active adapter train, and of no other", async () => {
  const model = new TinyModel().eval();
  const peft = await getPeftModel(model, lora, { adapterName: "a" });
  await peft.addAdapter("b", lora);
  const training = () =>
    ["a", "b"].filter((name) => [...peft.base_model.trained(name).values()].every((p) => p.requiresGrad));
  expect([...model.parameters()].filter((p) => p.requiresGrad)).toHaveLength(4);
  expect(training()).toEqual(["a"]);
  peft.setAdapter("b");
  expect(training()).toEqual(["b"]);
  peft.base_model.setTrainable("a", false);
  peft.setAdapter("a");
  expect(training()).toEqual([]);
  peft.base_model.setTrainable("a", true);
  expect(training()).toEqual(["a"]);
  peft.base_model.setTrainable("b", false);
  expect(training()).toEqual(["a"]);
  peft.withAdapterNames(["b", "a"], () => {
    expect(training()).toEqual(["a"]);
    peft.base_model.setTrainable("b", true);
    expect(training()).toEqual(["a", "b"]);
  });
  expect(training()).toEqual(["a"]);
  peft.base_model.activate();
  expect(training()).toEqual([]);
  peft.withAdapterNames(["b"], () => expect(training()).toEqual(["b"]));
  expect(training()).toEqual([]);
});

test("a prompt that was made by its encoder cannot train further", async () => {
  const prompt = new PromptTuningConfig({ numVirtualTokens: 2 });
  const peft = await made({ a: prompt, b: lora });
  expect(peft.baseModel.virtualTokens).toBe(null);
  peft.setAdapter("a");
  expect(peft.baseModel.virtualTokens).not.toBe(null);
  peft.disableAdapter(() => expect(peft.baseModel.virtualTokens).toBe(null));
  peft.setAdapter("b");
  expect(peft.baseModel.virtualTokens).toBe(null);
});

test("values that an adapter swaps stand in the model while it acts", async () => {
  const biased = new LoraConfig({ r: 2, bias: "all", targetModules: ["up"] });
  const peft = await made({ a: biased, b: lora });
  const bias = () => [...(peft.baseModel.stateDict().get("layers.0.down.bias")?.dataSync() ?? [])];
  const base = bias();
  peft.setAdapter("a");
  train(peft, 3);
  const trained = bias();
  expect(trained).not.toEqual(base);
  peft.disableAdapter(() => expect(bias()).toEqual(base));
  expect(bias()).toEqual(trained);
  peft.base_model.activate();
  expect(bias()).toEqual(base);
  peft.setAdapter("a");
  peft.withAdapterNames(["b"], () => expect(bias()).toEqual(base));
  expect(bias()).toEqual(trained);
  // The initialisation reads the base model's values, not the adapter's replacements.
  await peft.addAdapter("c", biased);
  expect(bias()).toEqual(trained);
  peft.setAdapter("c");
  expect(bias()).toEqual(base);
  peft.setAdapter("a");
  peft.base_model.release(["a"]);
  expect(bias()).toEqual(trained);
  expect(peft.base_model.adapters.size).toBe(0);
  await peft.addAdapter("a", biased);
  peft.setAdapter("a");
  train(peft, 3);
  expect(bias()).not.toEqual(trained);
  peft.base_model.release([]);
  expect(bias()).toEqual(trained);
});

test("merged weights give way to those of the base model while it is bare", async () => {
  const peft = await made({ a: lora, b: lora });
  const base = await peft.disableAdapter(() => logitBits(peft));
  peft.setAdapter("a");
  await peft.mergeAdapter({ adapterNames: ["a", "b"] });
  const merged = await logitBits(peft);
  expect(await peft.disableAdapter(() => logitBits(peft))).toEqual(base);
  expect(await logitBits(peft)).toEqual(merged);
  // An adapter that is added to a merged model is initialised from the base weights.
  await peft.addAdapter("c", new LoraConfig({ r: 2, initLoraWeights: "pissa", targetModules: ["down"] }));
  peft.unmergeAdapter();
  expect(peft.base_model.mergedNames).toEqual([]);
});

test("a merged adapter acts once, and after unmerging beside the weights again", async () => {
  const peft = await made({ a: lora });
  const base = await peft.disableAdapter(() => logitBits(peft));
  peft.setAdapter("a");
  const live = await logitBits(peft);
  const floats = (bits: Uint8Array) => [...new Float32Array(bits.slice().buffer)];
  for (let turn = 0; turn < 2; turn++) {
    await peft.mergeAdapter();
    const merged = floats(await logitBits(peft));
    for (const [i, value] of floats(live).entries()) expect(merged[i]).toBeCloseTo(value, 4);
    peft.unmergeAdapter();
    expect(await logitBits(peft)).toEqual(live);
  }
  peft.base_model.activate();
  expect(await logitBits(peft)).toEqual(base);
});

test("lengths of DoRA are those of the base weights, though others stand merged", async () => {
  const dora = new LoraConfig({ r: 2, useDora: true, targetModules: ["up"] });
  const lengths = (peft: PeftModel<TinyModel>) =>
    [...peft.adapterTensors("c")].flatMap(([key, t]) => (key.includes("magnitude") ? [...t.dataSync()] : []));
  const merged = await made({ a: lora });
  merged.setAdapter("a");
  await merged.mergeAdapter();
  await merged.addAdapter("c", dora);
  const plain = await made({ c: dora });
  expect(lengths(plain)).toHaveLength(20);
  expect(lengths(merged)).toEqual(lengths(plain));
});

test("all tensors of adapters are the model's, and are freed with them", async () => {
  const model = new TinyModel().eval();
  const own = memory().buffers;
  const peft = await getPeftModel(model, new VeraConfig({ r: 4, targetModules: ["up"] }), { adapterName: "a" });
  await peft.addAdapter("b", new BitFitConfig());
  await peft.addAdapter("c", new PromptTuningConfig({ numVirtualTokens: 2 }));
  await peft.addAdapter("d", new LoraConfig({ r: 2, modulesToSave: ["lm_head"], targetModules: ["up"] }));
  expect(memory().buffers).toBeGreaterThan(own);
  for (const name of ["a", "b", "c", "d"]) peft.deleteAdapter(name);
  expect(memory().buffers).toBe(own);
  await peft.addAdapter("a", lora);
  peft.setAdapter("a");
  await peft.mergeAdapter();
  peft.unload();
  expect(memory().buffers).toBe(own);
});
