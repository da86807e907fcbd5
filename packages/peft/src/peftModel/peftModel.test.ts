import {
  copyInto,
  full,
  Generator,
  init,
  noGrad,
  reference,
  type Tensor,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { Linear, Module } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../config/warning.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { loraScaling } from "../methods/lora/loraScaling.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";
import { getPeftModel } from "./getPeftModel.ts";
import { PeftModel } from "./peftModel.ts";

beforeAll(() => init(reference()));

const linears = new LoraConfig({ r: 2, targetModules: ["up", "down"] });

test("parameters carry PEFT's names", async () => {
  const config = new LoraConfig({
    r: 2,
    targetModules: ["0.up"],
    modulesToSave: ["lm_head"],
    trainableTokenIndices: [1],
  });
  const peft = await getPeftModel(new TinyModel(), config);
  const names = [...peft.namedParameters()].map(([name]) => name);
  expect(names.filter((name) => /embed|layers.0.up|lm_head/.test(name))).toEqual([
    "base_model.model.embed_tokens.token_adapter.base_layer.weight",
    "base_model.model.embed_tokens.token_adapter.trainable_tokens_delta.default",
    "base_model.model.layers.0.up.base_layer.weight",
    "base_model.model.layers.0.up.base_layer.bias",
    "base_model.model.layers.0.up.lora_A.default.weight",
    "base_model.model.layers.0.up.lora_B.default.weight",
    "base_model.model.lm_head.original_module.weight",
    "base_model.model.lm_head.modules_to_save.default.weight",
  ]);
  expect([...peft.adapterTensors().keys()].sort()).toEqual([
    "base_model.model.embed_tokens.token_adapter.trainable_tokens_delta",
    "base_model.model.layers.0.up.lora_A.weight",
    "base_model.model.layers.0.up.lora_B.weight",
    "base_model.model.lm_head.weight",
  ]);
});

test("counts are printed in PEFT's words", async () => {
  const lines: string[] = [];
  (await getPeftModel(new TinyModel(), linears)).printTrainableParameters((line) => lines.push(line));
  // 2 layers of (10 + 6) x 2 elements, twice; the base has 2 x 66 and 2 x (12 + 70 + 66).
  expect(lines).toEqual(["trainable params: 128 || all params: 556 || trainable%: 23.0216"]);
});

test("the scaling follows alpha, rank, rsLoRA and the first pattern that matches", () => {
  const config = new LoraConfig({
    r: 4,
    loraAlpha: 8,
    rankPattern: { q_proj: 16, "layers.0.q_proj": 2 },
    alphaPattern: { "layers\\.1\\..*": 3 },
  });
  expect(loraScaling(config, "layers.0.k_proj")).toBe(2);
  expect(loraScaling(config, "layers.0.q_proj")).toBe(0.5);
  expect(loraScaling(config, "layers.1.k_proj")).toBe(0.75);
  expect(loraScaling(config.with({ useRslora: true }), "layers.0.q_proj")).toBe(2);
  expect(loraScaling(config, "layers.0.my_q_proj")).toBe(2);
});

test("A starts uniform within 1/sqrt(in), B at zero; a seed gives the same, another seed other values", async () => {
  const start = async (seed: number) => {
    const peft = await getPeftModel(new TinyModel(), linears, { generator: new Generator(seed) });
    const [a, b] = [...peft.adapterTensors().values()];
    expect(await b.data()).toEqual(new Float32Array(b.size));
    return (await a.data()) as Float32Array;
  };
  const a = await start(1);
  expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(6));
  expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(0.5 / Math.sqrt(6));
  expect(await start(1)).toEqual(a);
  expect(await start(2)).not.toEqual(a);
});

test("a NaN in an adapter stops the merge before anything is written", async () => {
  const peft = await getPeftModel(new TinyModel(), linears);
  const weight = peft.adapterTensors().get("base_model.model.layers.1.up.lora_B.weight")!;
  noGrad(() => copyInto(weight, full(weight.shape, Number.NaN)));
  await expect(peft.mergeAndUnload()).rejects.toThrow(/merging default would give layers.1.up.weight a NaN/);
  await expect(peft.mergeAdapter()).rejects.toThrow(/Nothing was merged/);
  const plain = await logitBits(new TinyModel());
  expect(await peft.disableAdapter(() => logitBits(peft))).toEqual(plain);
});

test("a sum beyond f16 stops the merge too", async () => {
  const peft = await getPeftModel(new TinyModel({ dtype: "f16" }), linears);
  for (const [name, t] of peft.adapterTensors())
    noGrad(() => copyInto(t, full(t.shape, name.includes("1.up") ? 400 : 0)));
  await expect(peft.mergeAndUnload()).rejects.toThrow(/layers.1.up.weight a NaN or an infinity \(f16 ends at 65504\)/);
});

test("dropout acts in training only", async () => {
  const peft = await getPeftModel(new TinyModel().train(), linears.with({ loraDropout: 0.5, initLoraWeights: false }));
  const [first, second] = [await logitBits(peft), await logitBits(peft)];
  expect(first).not.toEqual(second);
  peft.eval();
  expect(await logitBits(peft)).toEqual(await logitBits(peft));
  const evaluated = await getPeftModel(
    new TinyModel().eval(),
    linears.with({ loraDropout: 0.5, initLoraWeights: false }),
  );
  expect(await logitBits(evaluated)).toEqual(await logitBits(peft));
});

test("one module with two names is refused, since a merge would change both", async () => {
  class Twice extends Module {
    first = new Linear(4, 4, { generator: new Generator(1) });
    second = this.first;
    forward(x: Tensor): Tensor {
      return this.second.forward(this.first.forward(x));
    }
  }
  const added = getPeftModel(new Twice(), new LoraConfig({ r: 2, targetModules: ["first"] }));
  await expect(added).rejects.toThrow(
    "second and first are one module; exclude both from targetModules, or use two modules with one weight",
  );
});

test("a target that shares its weight is told, and merging gives it its own weight", async () => {
  const warnings: Warning[] = [];
  const config = new LoraConfig({ r: 2, targetModules: ["embed_tokens"] });
  const model = new TinyModel({ tied: true });
  const peft = await getPeftModel(model, config, { onWarning: (warning) => warnings.push(warning) });
  const message =
    "embed_tokens shares its weight with lm_head: the adapter changes embed_tokens alone, and merging gives it its own weight";
  expect(warnings).toEqual([{ code: "tied-weight", message }]);
  train(peft);
  await peft.mergeAndUnload({ verify: { inputs: tinyBatch() } });
  expect(peft.mergeReport).toMatchObject({ adapters: ["default"], drift: [], greedyEqual: true });
  expect(peft.mergeReport!.maxAbsDiff).toBeLessThan(1e-5);
  expect([...model.stateDict().keys()].filter((name) => /embed|head/.test(name))).toEqual([
    "embed_tokens.weight",
    "lm_head.weight",
  ]);
});

test("an adapter's own embedding table replaces the base's while it is active", async () => {
  const config = new LoraConfig({ r: 2, targetModules: ["embed_tokens"] });
  const quiet = { onWarning: () => {} };
  const resized = new TinyModel({ tied: true });
  const table = [...resized.parameters()][0];
  noGrad(() => copyInto(table, full(table.shape, 0.25)));
  const saved = await getPeftModel(resized, config, quiet);
  train(saved);
  const plain = await logitBits(new TinyModel({ tied: true }));
  const peft = await PeftModel.fromPretrained(new TinyModel({ tied: true }), await saved.adapterFiles(), quiet);
  expect(await logitBits(peft)).toEqual(await logitBits(saved));
  expect(await peft.disableAdapter(() => logitBits(peft))).toEqual(plain);
  expect(await peft.adapterFiles()).toEqual(await saved.adapterFiles());
});

test("adapters under other names lie in folders of their own", async () => {
  const peft = await getPeftModel(new TinyModel(), linears);
  await peft.addAdapter("other", linears, { generator: new Generator(5) });
  const files = await peft.adapterFiles();
  expect([...files.keys()]).toEqual([
    "adapter_config.json",
    "adapter_model.safetensors",
    "README.md",
    "other/adapter_config.json",
    "other/adapter_model.safetensors",
    "other/README.md",
  ]);
  const again = await PeftModel.fromPretrained(new TinyModel(), files, { adapterName: "x", subfolder: "other" });
  expect(await again.adapterFiles(["x"])).toEqual(
    new Map([...files].filter(([n]) => n.startsWith("other")).map(([n, c]) => [n.replace("other", "x"), c])),
  );
  expect(files.get("README.md")).toContain("library_name: peft");
});

test("values in half precision are read as f32", async () => {
  const peft = await getPeftModel(new TinyModel(), linears);
  train(peft);
  const entries = await Promise.all(
    [...peft.adapterTensors()].map(async ([name, t]) => {
      using half = t.detach().to("bf16");
      return { name, dtype: "bf16" as const, shape: t.shape, bytes: await half.bytes() };
    }),
  );
  const files = new Map([...(await peft.adapterFiles()), ["adapter_model.safetensors", writeSafetensors(entries)]]);
  const again = await PeftModel.fromPretrained(new TinyModel(), files);
  for (const [name, t] of again.adapterTensors()) {
    expect(t.dtype).toBe("f32");
    const expected = (await peft.adapterTensors().get(name)!.data()) as Float32Array;
    for (const [i, value] of (await t.data()).entries()) expect(value).toBeCloseTo(expected[i], 2);
  }
});

test("patterns that match nothing, or in another order on disk, are told", async () => {
  const warnings: Warning[] = [];
  const config = linears.with({ alphaPattern: { up: 3, "0.up": 5 }, rankPattern: { gate: 4 } });
  await getPeftModel(new TinyModel(), config, { onWarning: (warning) => warnings.push(warning) });
  expect(warnings).toEqual([
    { code: "unused-pattern", message: 'these match no target: rankPattern "gate"' },
    {
      code: "ambiguous-pattern",
      message: expect.stringMatching(/^alphaPattern: "up" and "0.up" both say layers.0.up; the first wins here/),
    },
  ]);
});

test("names of modules to save that match nothing are told", async () => {
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  await getPeftModel(new TinyModel(), linears.with({ modulesToSave: ["head", "classifier"] }), { onWarning });
  const message = "modulesToSave: no module's path ends with classifier; nothing is saved for it";
  expect(warnings).toEqual([{ code: "missing-module", message }]);
});

test("an adapter loaded for inference trains only when told so", async () => {
  const files = await (await getPeftModel(new TinyModel(), linears)).adapterFiles();
  const peft = await PeftModel.fromPretrained(new TinyModel(), files);
  expect(peft.getNbTrainableParameters().trainable).toBe(0);
  expect(peft.training).toBe(false);
  peft.setAdapter("default", { inferenceMode: false });
  expect(peft.getNbTrainableParameters().trainable).toBe(128);
  const trainable = await PeftModel.fromPretrained(new TinyModel(), files, { isTrainable: true });
  expect(trainable.getNbTrainableParameters().trainable).toBe(128);
});

test("lenient loading takes what fits and warns of the rest", async () => {
  const peft = await getPeftModel(new TinyModel(), linears);
  train(peft);
  const files = await peft.adapterFiles();
  const narrower = await (await getPeftModel(new TinyModel(), linears.with({ targetModules: ["up"] }))).adapterFiles();
  const mixed = new Map([...narrower, ["adapter_model.safetensors", files.get("adapter_model.safetensors")!]]);
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const again = await PeftModel.fromPretrained(new TinyModel(), mixed, { strict: false, onWarning });
  expect(warnings).toEqual([
    { code: "key-mismatch", message: expect.stringMatching(/unexpected: .*layers.0.down.lora_A.weight/) },
  ]);
  const key = "base_model.model.layers.0.up.lora_B.weight";
  expect(await again.adapterTensors().get(key)!.bytes()).toEqual(await peft.adapterTensors().get(key)!.bytes());
});

test.each([
  ["the same name twice", (p: PeftModel) => p.addAdapter("default", linears), 'there is an adapter "default" already'],
  ["a name with a dot", (p: PeftModel) => p.addAdapter("a.b", linears), '"a.b" cannot be an adapter\'s name'],
  ["a name of the engine's", (p: PeftModel) => p.addAdapter("training", linears), "cannot be an adapter's name"],
  ["an unknown name", (p: PeftModel) => p.setAdapter("x"), 'there is no adapter "x"; there are default'],
  [
    "a second PeftModel",
    (p: PeftModel) => getPeftModel(p.baseModel, linears),
    "carries adapters of another PeftModel; add yours",
  ],
  [
    "a module used in two ways",
    (p: PeftModel) => p.addAdapter("b", new LoraConfig({ targetModules: ["down"], modulesToSave: ["up"] })),
    "another adapter uses this module in another way",
  ],
  [
    "changes while disabled",
    (p: PeftModel) => p.disableAdapter(() => p.addAdapter("b", linears)),
    "cannot add an adapter inside of disableAdapter",
  ],
  [
    "tokens outside of the table",
    (p: PeftModel) => p.addAdapter("b", new LoraConfig({ targetModules: ["up"], trainableTokenIndices: [99] })),
    "99 for embed_tokens is outside of 0..10",
  ],
])("%s: an error, and nothing changes", async (_, act, message) => {
  const peft = await getPeftModel(new TinyModel(), linears);
  const before = [...peft.namedParameters()].map(([name]) => name);
  await expect(async () => act(peft as unknown as PeftModel)).rejects.toThrow(message);
  expect([...peft.namedParameters()].map(([name]) => name)).toEqual(before);
});

test("while an adapter is being added, the model refuses other changes", async () => {
  const peft = await getPeftModel(new TinyModel(), linears);
  const adding = peft.addAdapter("b", linears);
  expect(() => peft.setAdapter("default")).toThrow(
    'cannot set an adapter while adapter "b" is being added; await that first',
  );
  await expect(peft.addAdapter("c", linears)).rejects.toThrow('while adapter "b" is being added');
  await adding;
  peft.setAdapter("b");
  expect([...peft.peftConfig.keys()]).toEqual(["default", "b"]);
});

test("a merged adapter cannot be deleted, and switching unmerges with a warning", async () => {
  const warnings: Warning[] = [];
  const peft = await getPeftModel(new TinyModel(), linears, { onWarning: (warning) => warnings.push(warning) });
  train(peft);
  const live = await logitBits(peft);
  await peft.mergeAdapter();
  expect(() => peft.deleteAdapter("default")).toThrow("call unmergeAdapter before it is deleted");
  peft.setAdapter("default");
  const message = "setAdapter: default was merged and has been unmerged first";
  expect(warnings).toEqual([{ code: "unmerged", message }]);
  expect(await logitBits(peft)).toEqual(live);
});

test("several adapters merge into one base", async () => {
  const peft = await getPeftModel(new TinyModel(), linears);
  await peft.addAdapter("b", linears, { generator: new Generator(3) });
  for (const [, t] of [...peft.adapterTensors("default"), ...peft.adapterTensors("b")]) {
    noGrad(() => copyInto(t, full(t.shape, 0.1)));
  }
  const model = await peft.mergeAndUnload({ adapterNames: ["default", "b"] });
  const before = (await new TinyModel().layers
    .at(0)
    .up.forward(tensor([[1, 0, 0, 0, 0, 0]]))
    .data()) as Float32Array;
  const after = (await model.layers
    .at(0)
    .up.forward(tensor([[1, 0, 0, 0, 0, 0]]))
    .data()) as Float32Array;
  // Two updates of scaling 4 times 2 x 0.1 x 0.1.
  for (const [i, value] of after.entries()) expect(value - before[i]).toBeCloseTo(0.16, 5);
});

test("what was trained is saved in half precision when asked, and is f32 again when loaded", async () => {
  const peft = await getPeftModel(new TinyModel(), linears);
  train(peft);
  const file = "adapter_model.safetensors";
  const whole = (await peft.adapterFiles()).get(file) as Uint8Array;
  for (const dtype of ["bf16", "f16"] as const) {
    const files = await peft.adapterFiles(undefined, { dtype });
    expect((files.get(file) as Uint8Array).length).toBeLessThan(whole.length - 2 * 128 + 16);
    const again = await PeftModel.fromPretrained(new TinyModel(), files);
    for (const [name, t] of again.adapterTensors()) {
      expect(t.dtype).toBe("f32");
      const rounded = peft.adapterTensors().get(name)!.to(dtype).dataSync();
      expect(t.dataSync()).toEqual(rounded);
    }
  }
  const [[name, weight]] = peft.adapterTensors();
  noGrad(() => copyInto(weight, full(weight.shape, 1e6)));
  await expect(peft.adapterFiles(undefined, { dtype: "f16" })).rejects.toThrow(
    `saving as f16: ${name} holds 1000000, which is outside the range of f16; save as bf16 or f32`,
  );
  expect((await peft.adapterFiles(undefined, { dtype: "bf16" })).size).toBe(3);
});
