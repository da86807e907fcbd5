import { copyInto, Generator, init, noGrad, reference, type Tensor } from "@lowrank/core";
import { Module, MultiheadAttention } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftMixedModel } from "../../peftModel/peftMixedModel.ts";
import { ModuleNet, type NetLayer, netInputs } from "../../testing/moduleNet.ts";
import { adapterUpdates } from "../../updates/updates.ts";
import { LoraConfig, type LoraOptions } from "./loraConfig.ts";

beforeAll(() => init(reference()));

const attention = (name: string): NetLayer => ({ kind: "attention", name, embed_dim: 4, num_heads: 2 });

const configOf = (options: LoraOptions) => new LoraConfig({ targetModules: ["a"], r: 2, ...options });

const make = (options: LoraOptions, onWarning: (warning: Warning) => void = () => {}) =>
  getPeftModel(new ModuleNet([attention("a"), attention("b")]), configOf(options), {
    generator: new Generator(1),
    onWarning,
  });

const x = () => netInputs([3, 2, 4]);
const valuesOf = (t: Tensor) => [...(t.dataSync() as Float32Array)];
const close = (values: number[]) => values.map((v) => expect.closeTo(v, 5));

test.each<[string, LoraOptions, string]>([
  [
    "DoRA",
    { useDora: true },
    "a is a MultiheadAttention, which useDora does not support; leave a out of targetModules",
  ],
  ["a bias", { loraBias: true }, "a is a MultiheadAttention, which loraBias does not support"],
  [
    "BD-LoRA",
    { useBdlora: { targetModulesBdA: ["a"] } },
    "a is a MultiheadAttention, which useBdlora does not support",
  ],
  ["PiSSA", { initLoraWeights: "pissa" }, 'initLoraWeights "pissa" is not for attention, which takes true, false or'],
  ["orthogonal values", { initLoraWeights: "orthogonal" }, 'initLoraWeights "orthogonal" is not for attention'],
  ["VeLoRA", { veloraConfig: {} }, "a is of the kind multiheadAttention, and veloraConfig is for linear"],
  ["KaSA", { kasaConfig: {} }, "a is of the kind multiheadAttention, and kasaConfig is for linear"],
  ["the output projection too", { targetModules: ["a", "out_proj"] }, "a.out_proj is inside a, which is adapted"],
])("%s is refused", async (_, options, message) => {
  await expect(make(options)).rejects.toThrow(message);
});

test("keys of another size are refused", async () => {
  class Net extends Module {
    a = new MultiheadAttention(4, 2, { kdim: 3 });
    forward(t: Tensor): Tensor {
      return t;
    }
  }
  await expect(getPeftModel(new Net(), configOf({}))).rejects.toThrow(
    "a has keys or values of another size than embedDim, and LoRA adapts attention with one size; leave a out",
  );
});

test("has PEFT's names, and a new adapter changes no output", async () => {
  const found: Warning[] = [];
  const peft = await make({ loraDropout: 0.5 }, (warning) => found.push(warning));
  expect(found.map(({ code }) => code)).toEqual(["differs-in-peft", "unused-field"]);
  const trained = [...peft.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad);
  expect(trained.map(([name, { shape }]) => [name, [...shape]])).toEqual([
    ["base_model.model.a.base_layer.out_proj.lora_A.default.weight", [2, 4]],
    ["base_model.model.a.base_layer.out_proj.lora_B.default.weight", [4, 2]],
    ["base_model.model.a.lora_A.default.weight", [2, 4]],
    ["base_model.model.a.lora_B.default.weight", [12, 2]],
  ]);
  expect([...peft.adapterTensors().keys()].sort()).toEqual(trained.map(([name]) => name.replace(".default", "")));
  expect(valuesOf(peft.forward(x()))).toEqual(close(valuesOf(peft.disableAdapter(() => peft.forward(x())))));
});

test("dropout of the adapter does not act on attention", async () => {
  const [peft, plain] = [
    await make({ loraDropout: 0.5, initLoraWeights: false }),
    await make({ initLoraWeights: false }),
  ];
  expect(valuesOf(peft.train().forward(x()))).toEqual(valuesOf(plain.train().forward(x())));
});

test("several adapters are added, switched, merged and removed", async () => {
  const peft = await make({ initLoraWeights: false });
  const base = valuesOf(peft.disableAdapter(() => peft.forward(x())));
  const first = valuesOf(peft.forward(x()));
  await peft.addAdapter("other", configOf({ r: 3, initLoraWeights: false, targetModules: ["a", "b"] }));
  expect(valuesOf(peft.forward(x()))).toEqual(first);
  peft.setAdapter("other");
  const second = valuesOf(peft.forward(x()));
  expect(second).not.toEqual(close(first));
  await peft.mergeAdapter({ adapterNames: ["other"] });
  expect(valuesOf(peft.forward(x()))).toEqual(close(second));
  peft.unmergeAdapter();
  expect(valuesOf(peft.forward(x()))).toEqual(second);
  peft.deleteAdapter("other");
  peft.setAdapter("default");
  expect(valuesOf(peft.forward(x()))).toEqual(first);
  const names = [...peft.unload().namedParameters()].map(([name]) => name);
  expect(names).toContain("a.out_proj.weight");
  expect(valuesOf(noGrad(() => peft.base_model.model.forward(x())))).toEqual(base);
});

test("adapters are summed, with the scaling of the attention on the output projection", async () => {
  const peft = await make({ initLoraWeights: false, rankPattern: { a: 3 }, alphaPattern: { a: 5 } });
  const expected = valuesOf(peft.forward(x()));
  await peft.addWeightedAdapter(["default"], [1], "same");
  peft.setAdapter("same");
  expect(valuesOf(peft.forward(x()))).toEqual(close(expected));
  const updates = [];
  for await (const update of adapterUpdates(peft, "default")) updates.push(update);
  expect(updates.map(({ path, shape }) => [path, [...shape]])).toEqual([
    ["a", [12, 4]],
    ["a.base_layer.out_proj", [4, 4]],
  ]);
  expect(updates.every(({ weightNorm }) => weightNorm > 0)).toBe(true);
});

test("a merge that is not finite is refused and changes nothing", async () => {
  const peft = await make({ initLoraWeights: false });
  const tensor = [...peft.adapterTensors()].find(([key]) => key.includes("out_proj.lora_B"))![1];
  noGrad(() => copyInto(tensor, tensor.detach().mul(Number.POSITIVE_INFINITY)));
  await expect(peft.mergeAdapter({ verify: false })).rejects.toThrow(/a\.base_layer\.out_proj\.weight a NaN or an inf/);
  expect(valuesOf(peft.disableAdapter(() => peft.forward(x()))).every(Number.isFinite)).toBe(true);
});

test("rows of a batch cannot use their own adapters", async () => {
  const peft = await make({});
  expect(() => peft.withAdapterNames(["default", "__base__", "default"], () => peft.forward(x()))).toThrow(
    "a is a MultiheadAttention, and its adapters cannot be chosen by row; call setAdapter",
  );
});

test("a mixed model has one active adapter on attention", async () => {
  const mixed = await getPeftModel(new ModuleNet([attention("a")]), configOf({ initLoraWeights: false }), {
    mixed: PeftMixedModel,
    onWarning: () => {},
  });
  await mixed.addAdapter("other", configOf({ initLoraWeights: false }));
  expect(valuesOf(mixed.forward(x()))).toHaveLength(24);
  mixed.setAdapter(["default", "other"]);
  expect(() => mixed.forward(x())).toThrow(
    "on which a PeftMixedModel can have one active adapter; activate one of them",
  );
});
