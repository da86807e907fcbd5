import { copyInto, Generator, init, noGrad, reference, scope, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import { getLayerStatus, getModelStatus } from "../helpers/status.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { AdaLoraConfig } from "../methods/lowRank/adaLoraConfig.ts";
import { LoHaConfig } from "../methods/lycoris/lohaConfig.ts";
import { LoKrConfig } from "../methods/lycoris/lokrConfig.ts";
import { OFTConfig } from "../methods/orthogonal/oftConfig.ts";
import { ShiraConfig } from "../methods/sparse/shiraConfig.ts";
import { IA3Config } from "../methods/vectors/ia3Config.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";
import { getPeftModel } from "./getPeftModel.ts";
import { PeftMixedModel } from "./peftMixedModel.ts";
import { PeftModel } from "./peftModel.ts";

beforeAll(() => init(reference()));

const up = ["up"];
const lora = new LoraConfig({ r: 2, targetModules: ["up", "down"], initLoraWeights: false });
const dora = new LoraConfig({ r: 2, targetModules: ["up", "down"], initLoraWeights: false, useDora: true });
const loha = new LoHaConfig({ r: 2, targetModules: up, initWeights: false });
const lokr = new LoKrConfig({ r: 2, targetModules: ["up", "lm_head"], initWeights: false });
const oft = new OFTConfig({ oftBlockSize: 3, targetModules: up, initWeights: false });
const shira = new ShiraConfig({ r: 1, targetModules: up, initWeights: false });
const adaLora = new AdaLoraConfig({ initR: 2, targetR: 1, totalStep: 10, targetModules: up, initLoraWeights: false });
const quiet = { onWarning: () => {} };

type Mixed = PeftMixedModel<TinyModel>;

/** Returns a mixed model with adapters named a, b, c, ... in this order. */
async function mixed(...configs: PeftConfig[]): Promise<Mixed> {
  const [first, ...others] = configs;
  const options = { mixed: PeftMixedModel, adapterName: "a", generator: new Generator(1), ...quiet } as const;
  const peft = await getPeftModel(new TinyModel().eval(), first, options);
  for (const [i, config] of others.entries()) {
    await peft.addAdapter("bcdef"[i], config, { generator: new Generator(i + 2) });
  }
  return peft.eval();
}

const logits = async (model: { forward(ids: Tensor): { logits: Tensor } }) =>
  new Float32Array((await logitBits(model)).slice().buffer);
const apart = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i])));

/** Returns the logits with these adapters active. */
async function withActive(peft: Mixed, names: string[]): Promise<Float32Array> {
  peft.setAdapter(names);
  return logits(peft);
}

test("getPeftModel returns a mixed model, whose adapters act together on one layer", async () => {
  const peft = await mixed(lora, loha, lokr);
  expect(peft).toBeInstanceOf(PeftMixedModel);
  expect([peft.activeAdapter, peft.activeAdapters]).toEqual(["a", ["a"]]);
  const alone = await withActive(peft, ["a"]);
  const both = await withActive(peft, ["a", "b"]);
  expect(peft.activeAdapters).toEqual(["a", "b"]);
  expect(apart(alone, both)).toBeGreaterThan(0.01);
  expect(apart(both, await withActive(peft, ["a", "b", "c"]))).toBeGreaterThan(0.01);
  // Updates that add are the same in each order, except for rounding.
  expect(apart(both, await withActive(peft, ["b", "a"]))).toBeLessThan(1e-5);
  expect(await withActive(peft, ["a"])).toEqual(alone);
  const plain = await getPeftModel(new TinyModel().eval(), lora, { adapterName: "a", generator: new Generator(1) });
  expect(plain).not.toBeInstanceOf(PeftMixedModel);
  expect(alone).toEqual(await logits(plain.eval()));
  expect(await withActive(peft, [])).toEqual(await logits(new TinyModel()));
  expect([peft.activeAdapter, peft.activeAdapters]).toEqual([null, []]);
});

test("a later method is applied outside of the methods before it", async () => {
  const inside = await mixed(lora, oft);
  const outside = await mixed(oft, lora);
  const up = (peft: Mixed) => [...peft.baseModel.layers][0].up;
  const x = scope(() => tinyInput());
  const run = async (peft: Mixed, names: string[]) => {
    peft.setAdapter(names);
    return new Float32Array((await scope(() => up(peft).forward(x)).data()) as Float32Array);
  };
  // LoRA gets the rotated input only if OFT was added later.
  const sum = (a: Float32Array, b: Float32Array, c: Float32Array) => a.map((value, i) => value + b[i] - c[i]);
  const base = await run(outside, []);
  const added = sum(await run(outside, ["a"]), await run(outside, ["b"]), base);
  expect(apart(await run(outside, ["b", "a"]), added)).toBeLessThan(1e-5);
  const other = sum(await run(inside, ["a"]), await run(inside, ["b"]), base);
  expect(apart(await run(inside, ["a", "b"]), other)).toBeGreaterThan(0.01);
});

function tinyInput(): Tensor {
  const model = new TinyModel();
  return model.embed_tokens.forward(tinyBatch());
}

const combinations: [string, PeftConfig[], string[]][] = [
  ["LoRA, LoHa and LoKr", [lora, loha, lokr], ["a", "b", "c"]],
  ["OFT outside of LoRA", [lora, oft], ["a", "b"]],
  ["OFT inside and outside of LoRA", [oft, lora, oft], ["a", "b", "c"]],
  ["two OFT adapters", [oft, oft], ["a", "b"]],
  ["two OFT adapters in the other order", [oft, oft], ["b", "a"]],
  ["DoRA outside of LoHa, OFT and LoRA", [loha, oft, lora, dora], ["a", "b", "c", "d"]],
  ["AdaLoRA outside of DoRA", [dora, adaLora], ["a", "b"]],
  ["SHiRA outside of LoRA and OFT", [lora, oft, shira], ["c", "a", "b"]],
];

for (const [name, configs, active] of combinations) {
  test(`${name}: merges are what the adapters compute, and can be taken back`, async () => {
    const peft = await mixed(...configs);
    const live = await withActive(peft, active);
    for (const one of active) expect(apart(live, await withActive(peft, [one]))).toBeGreaterThan(1e-3);
    peft.setAdapter(active);
    await peft.mergeAdapter({ verify: { inputs: scope(tinyBatch) } });
    expect(peft.mergeReport?.adapters).toEqual(active);
    expect(apart(await logits(peft), live)).toBeLessThan(2e-5);
    peft.unmergeAdapter();
    expect(await logits(peft)).toEqual(live);
    const model = await peft.mergeAndUnload();
    expect(apart(await logits(model), live)).toBeLessThan(2e-5);
  });

  // DoRA treats the norms as constants, so differences do not give its gradients.
  if (configs.includes(dora)) continue;

  test(`${name}: differences give the gradients`, async () => {
    const peft = await mixed(...configs);
    peft.setAdapter(active);
    const loss = () => scope(() => peft.baseModel.loss(tinyBatch()).itemSync());
    scope(() => peft.baseModel.loss(tinyBatch()).backward());
    for (const one of active) {
      const [, parameter] = [...peft.base_model.trained(one)].find(([key]) => !key.includes("_E"))!;
      const values = Float32Array.from(parameter.dataSync() as Float32Array);
      const at = 1 % values.length;
      const before = values[at];
      const set = (value: number) => {
        const copy = Float32Array.from(values);
        copy[at] = value;
        noGrad(() => scope(() => copyInto(parameter, tensor(copy, { shape: parameter.shape }))));
        return loss();
      };
      const expected = (set(before + 1e-2) - set(before - 1e-2)) / 2e-2;
      set(before);
      expect((parameter.grad!.dataSync() as Float32Array)[at]).toBeCloseTo(expected, 3);
    }
  });
}

test("adapters train together, with AdaLoRA's term in the loss, and AdaLoRA allocates its ranks", async () => {
  const peft = await mixed(lora, adaLora, loha);
  peft.setAdapter(["a", "b"]);
  const trained = [...peft.trainableParameters()];
  const own = ["a", "b"].flatMap((name) => [...peft.base_model.trained(name).values()]);
  expect(new Set(trained)).toEqual(new Set(own));
  const loss = scope(() => peft.loss(tinyBatch()).itemSync());
  expect(loss - scope(() => peft.baseModel.loss(tinyBatch()).itemSync())).toBeGreaterThan(0.01);
  const losses = train(peft, 6);
  expect(losses[5]).toBeLessThan(0.9 * losses[0]);
  await expect(peft.updateAndAllocate(0)).rejects.toThrow("gradient");
  peft.setAdapter(["a", "c"]);
  await peft.updateAndAllocate(0);
  peft.setAdapter(["a", "c"], { inferenceMode: true });
  expect([...peft.trainableParameters()]).toEqual([]);
});

test("deleting an active adapter leaves the others active; the last one leaves the base model", async () => {
  const peft = await mixed(lora, oft, lokr, loha);
  peft.setAdapter(["b", "a", "c"]);
  peft.deleteAdapter("b");
  expect(peft.activeAdapters).toEqual(["a", "c"]);
  const left = await logits(peft);
  expect(left).toEqual(await withActive(peft, ["a", "c"]));
  expect(() => peft.deleteAdapter(["a", "none"])).toThrow('there is no adapter "none"; there are a, c, d');
  expect([...peft.peftConfig.keys()]).toEqual(["a", "c", "d"]);
  peft.deleteAdapter(["a", "c", "d"]);
  expect(peft.activeAdapters).toEqual([]);
  expect(peft.base_model.wrappers.size).toBe(0);
  expect(await logits(peft)).toEqual(await logits(new TinyModel()));
});

test("a deleted method's level stays, so that adapters keep their order", async () => {
  const peft = await mixed(oft, lora, oft);
  const live = await withActive(peft, ["a", "c"]);
  expect(apart(live, await withActive(await mixed(oft, oft), ["a", "b"]))).toBeGreaterThan(1e-3);
  peft.deleteAdapter("b");
  expect(await withActive(peft, ["a", "c"])).toEqual(live);
});

test("without adapters, and with adapters by row", async () => {
  const peft = await mixed(lora, oft);
  const base = await logits(new TinyModel());
  const both = await withActive(peft, ["a", "b"]);
  expect(await peft.disableAdapter(() => logits(peft))).toEqual(base);
  expect(await logits(peft)).toEqual(both);
  const rows = await peft.withAdapterNames(["b", "__base__"], () => logits(peft));
  const half = rows.length / 2;
  expect(apart(rows.subarray(half), base.subarray(half))).toBeLessThan(1e-6);
  expect(peft.activeAdapters).toEqual(["a", "b"]);
  expect(await logits(peft)).toEqual(both);
  expect(apart(rows.subarray(0, half), (await withActive(peft, ["b"])).subarray(0, half))).toBeLessThan(1e-6);
});

test("each adapter is saved by itself, and loads in a mixed model and in a plain one", async () => {
  const peft = await mixed(oft, lora, adaLora);
  const live = await withActive(peft, ["b", "a", "c"]);
  const files = await peft.adapterFiles();
  const again = await PeftMixedModel.fromPretrained(new TinyModel().eval(), files, {
    ...{ subfolder: "a", adapterName: "a" },
    ...quiet,
  });
  expect(again.activeAdapters).toEqual(["a"]);
  for (const subfolder of ["b", "c"]) await again.loadAdapter(files, subfolder, { subfolder });
  expect(await withActive(again, ["b", "a", "c"])).toEqual(live);
  expect([...again.trainableParameters()]).toEqual([]);
  const plain = await PeftModel.fromPretrained(new TinyModel().eval(), files, { subfolder: "b", ...quiet });
  expect(await logits(plain)).toEqual(await withActive(peft, ["b"]));
});

test("status and counts include all active adapters", async () => {
  const peft = await mixed(lora, loha);
  peft.setAdapter(["b", "a"]);
  expect(getModelStatus(peft)).toMatchObject({ activeAdapters: ["b", "a"], peftTypes: { a: "LORA", b: "LOHA" } });
  const [layer] = getLayerStatus(peft).filter(({ name }) => name === "layers.0.up");
  expect(layer).toMatchObject({ activeAdapters: ["a", "b"], availableAdapters: ["a", "b"] });
  // Two layers: LoRA of rank 2 on [10,6] and [10,6], LoHa of rank 2 on [10,6].
  expect(peft.getNbTrainableParameters().trainable).toBe(2 * (2 * 2 * 16 + 2 * 2 * 16));
});

test("without targets, every method adapts LoRA's default modules", async () => {
  const model = new TinyModel({ attention: true });
  model.config.modelType = "bart";
  const peft = await getPeftModel(model, new AdaLoraConfig({ totalStep: 10 }), { mixed: PeftMixedModel, ...quiet });
  const paths = [...peft.base_model.wrappers.keys()].filter((path) => path.startsWith("layers.0."));
  expect(paths).toEqual(["layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj"]);
});

test("methods that PEFT does not mix are refused, and the model stays as it was", async () => {
  const ia3 = new IA3Config({ targetModules: up, feedforwardModules: [] });
  const message =
    "cannot have adapters of IA3, since PEFT supports only LORA, LOHA, LOKR, ADALORA, OFT, SHIRA together";
  await expect(getPeftModel(new TinyModel(), ia3, { mixed: PeftMixedModel })).rejects.toThrow(message);
  const peft = await mixed(lora);
  const live = await logits(peft);
  await expect(peft.addAdapter("b", ia3)).rejects.toThrow(message);
  const other = await getPeftModel(new TinyModel(), ia3);
  await expect(peft.loadAdapter(await other.adapterFiles(), "b")).rejects.toMatchObject({ code: "not_together" });
  expect([...peft.peftConfig.keys()]).toEqual(["a"]);
  expect(await logits(peft)).toEqual(live);
});

test("adapters that cannot be active at once are refused with names and reason", async () => {
  const saving = lora.with({ modulesToSave: ["lm_head"] });
  const biased = lora.with({ bias: "lora_only" });
  const peft = await mixed(saving, saving, biased, biased, adaLora, adaLora);
  const invoked = lora.with({ aloraInvocationTokens: [1], taskType: "CAUSAL_LM" });
  for (const name of ["g", "h"]) await peft.addAdapter(name, invoked);
  const before = await withActive(peft, ["a", "c", "e"]);
  const refused = (names: string[], message: string) => expect(() => peft.setAdapter(names)).toThrow(message);
  refused(
    ["a", "b"],
    'adapters "a" and "b" both replace lm_head, of which the model can use one; activate one of them',
  );
  refused(["d", "a", "c"], 'adapters "d" and "c" both replace base_model.model.layers.0.up.base_layer.bias');
  refused(["e", "f"], 'adapters "e" and "f" both allocate ranks in training');
  refused(["g", "h"], 'adapters "g" and "h" both have invocation tokens');
  refused(["a", "c", "a"], 'adapter "a" is named twice');
  refused(["a", "none"], 'there is no adapter "none"');
  expect(peft.activeAdapters).toEqual(["a", "c", "e"]);
  expect(await logits(peft)).toEqual(before);
  peft.setAdapter(["e", "f"], { inferenceMode: true });
  expect(peft.activeAdapters).toEqual(["e", "f"]);
});

test("setAdapter unmerges with a warning", async () => {
  const warnings: string[] = [];
  const options = {
    mixed: PeftMixedModel,
    adapterName: "a",
    onWarning: ({ code }: { code: string }) => void warnings.push(code),
  } as const;
  const peft = await getPeftModel(new TinyModel().eval(), lora, options);
  await peft.addAdapter("b", loha);
  const live = await withActive(peft, ["a", "b"]);
  await peft.mergeAdapter();
  expect(() => peft.deleteAdapter("b")).toThrow('adapter "b" is merged');
  peft.setAdapter(["a", "b"]);
  expect([warnings, peft.isMerged]).toEqual([["unmerged"], false]);
  expect(await logits(peft)).toEqual(live);
});

test("a truth value instead of the class is refused", async () => {
  const wrong = getPeftModel(new TinyModel(), new LoraConfig({ targetModules: ["up"] }), { mixed: true as never });
  await expect(wrong).rejects.toThrow("mixed is true; give the class PeftMixedModel, or leave it out");
});
