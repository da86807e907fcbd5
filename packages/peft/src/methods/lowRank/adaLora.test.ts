import { copyInto, full, init, noGrad, reference, scope, type Tensor, tensor } from "@lowrank/core";
import { type Linear, type Module, SGD } from "@lowrank/nn";
import { beforeAll, describe, expect, it, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { floats, TwoLayers } from "../../testing/twoLayers.ts";
import golden from "./adaLora.gen.json" with { type: "json" };
import { adaLora } from "./adaLora.ts";
import { AdaLoraConfig, type AdaLoraOptions } from "./adaLoraConfig.ts";

beforeAll(() => init(reference()));

type Case = (typeof golden.cases)[number];

function optionsOf({ options }: Case): AdaLoraOptions {
  const camel = (key: string) => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [camel(key), value]));
}

async function start(one: Case) {
  const config = new AdaLoraConfig({ ...optionsOf(one), targetModules: ["first", "second"] });
  const peft = await getPeftModel(new TwoLayers(one.weights), config);
  for (const [key, t] of peft.adapterTensors()) {
    const values = floats(one.start[key.replace("base_model.model.", "") as keyof typeof one.start]);
    noGrad(() => copyInto(t, tensor(values, { shape: t.shape })));
  }
  const inputs = { x: tensor(floats(one.x), { shape: [7, 6] }), target: tensor(floats(one.target), { shape: [7, 4] }) };
  return { peft, inputs };
}

const ranksOf = (peft: PeftModel<never> | PeftModel<TwoLayers>) =>
  (peft.peftConfig.get("default") as AdaLoraConfig).rankPattern;

describe("PEFT's AdaLoRA", () => {
  it.each(golden.cases)("$options: losses, ranks given out after each step, and what is left", async (one) => {
    const { peft, inputs } = await start(one);
    const optimizer = new SGD(peft.trainableParameters(), { lr: 2 });
    for (const [step, { loss: expected, rankPattern }] of one.steps.entries()) {
      const loss = scope(() => {
        const value = peft.loss(inputs);
        value.backward();
        return value.itemSync();
      });
      expect(Math.abs(loss / expected - 1)).toBeLessThan(1e-5);
      optimizer.step();
      await peft.updateAndAllocate(step);
      optimizer.zeroGrad();
      expect(ranksOf(peft)).toEqual(rankPattern);
    }
    for (const [key, t] of peft.adapterTensors()) {
      const expected = floats(one.end[key.replace("base_model.model.", "") as keyof typeof one.end]);
      const largest = Math.max(...expected.map(Math.abs));
      for (const [i, x] of (t.dataSync() as Float32Array).entries()) {
        expect(Math.abs(x - expected[i])).toBeLessThanOrEqual(2e-5 * largest);
      }
    }
    const files = await peft.adapterFiles();
    const again = await PeftModel.fromPretrained(new TwoLayers(one.weights), files);
    const shapes = Object.fromEntries([...again.adapterTensors()].map(([key, { shape }]) => [key, [...shape]]));
    expect(shapes).toEqual(one.filed);
    const [a, b] = [peft, again].map((model) => scope(() => model.forward(inputs)).dataSync() as Float32Array);
    for (const [i, x] of a.entries()) expect(b[i]).toBeCloseTo(x, 5);
    const saved = await again.adapterFiles();
    expect(saved.get("adapter_model.safetensors")).toEqual(files.get("adapter_model.safetensors"));
    expect(saved.get("adapter_config.json")).toEqual(files.get("adapter_config.json"));
  });
});

const config = (options: AdaLoraOptions = {}) =>
  new AdaLoraConfig({ initR: 3, targetR: 1, totalStep: 6, targetModules: ["up", "down"], ...options });

test("the penalty is part of the loss while gradients are recorded, and of no other answer", async () => {
  const peft = await getPeftModel(new TinyModel().eval(), config());
  const value = (one: { loss(ids: Tensor): Tensor }) => scope(() => one.loss(tinyBatch())).itemSync();
  const plain = value(new TinyModel());
  expect(value(peft)).toBeGreaterThan(plain + 0.1);
  expect(value(await getPeftModel(new TinyModel(), config({ orthRegWeight: 0 })))).toBe(plain);
  expect(peft.disableAdapter(() => value(peft))).toBe(plain);
  const files = await peft.adapterFiles();
  expect(value(await PeftModel.fromPretrained(new TinyModel(), files))).toBe(plain);
});

test("a loaded adapter whose ranks were cut trains on within the ranks that are left", async () => {
  const rankPattern = { "layers.0.up.lora_E": [true, false, true], "layers.1.up.lora_E": [false, false, false] };
  const files = await (
    await getPeftModel(new TinyModel(), config({ rankPattern, targetModules: ["up"] }))
  ).adapterFiles();
  const peft = await PeftModel.fromPretrained(new TinyModel(), files, { isTrainable: true });
  const before = await logitBits(peft);
  for (let step = 0; step < 7; step++) {
    scope(() => peft.loss(tinyBatch()).backward());
    await peft.updateAndAllocate(step);
  }
  expect(peft.adapterTensors().get("base_model.model.layers.0.up.lora_E")?.shape).toEqual([2, 1]);
  train(peft, 2);
  expect(await logitBits(peft)).not.toEqual(before);
});

test("what is missing is an error that says so", async () => {
  await expect(getPeftModel(new TinyModel(), config({ totalStep: null }))).rejects.toThrow(
    "AdaLoraConfig: totalStep is null",
  );
  expect(() => config({ tinit: 3, tfinal: 3 })).toThrow("totalStep is 6; it must be more than tinit + tfinal, 6");
  expect(() => config({ beta1: 1 })).toThrow("beta1 is 1; it must be between 0 and 1");
  expect(() => config({ useDora: true } as AdaLoraOptions)).toThrow("useDora is true, which is not supported");
  const peft = await getPeftModel(new TinyModel(), config());
  await expect(peft.updateAndAllocate(0)).rejects.toThrow(/lora_A has no gradient; call it after the optimiser's step/);
  await expect(peft.updateAndAllocate(6)).rejects.toThrow(/no gradients of earlier steps were recorded/);
});

/** Trains from step `from` up to `steps`. Returns the number of remaining ranks after each step. */
async function stays(peft: PeftModel<TinyModel>, steps: number, from = 0): Promise<(number | null)[]> {
  const counts: (number | null)[] = [];
  const optimizer = new SGD(peft.trainableParameters(), { lr: 0.5 });
  for (let step = from; step < steps; step++) {
    scope(() => peft.loss(tinyBatch()).backward());
    optimizer.step();
    await peft.updateAndAllocate(step);
    optimizer.zeroGrad();
    const ranks = ranksOf(peft as never);
    counts.push(ranks && Object.values(ranks).flat().filter(Boolean).length);
  }
  return counts;
}

test("the last cut comes at the end of the cuts, between two others or not", async () => {
  // 4 layers with 3 ranks each. The cubic schedule is computed by hand.
  const plan = { initR: 3, targetR: 1, totalStep: 7, tfinal: 2 };
  const cut = async (options: AdaLoraOptions) =>
    stays(await getPeftModel(new TinyModel(), config({ ...plan, ...options })), 7);
  const left = (step: number, tinit: number) => Math.trunc(8 * (1 - (step - tinit) / (5 - tinit)) ** 3 + 4);
  expect(await cut({ deltaT: 4 })).toEqual([null, null, null, null, left(4, 0), 4, 4]);
  expect(await cut({ deltaT: 1, tinit: 2 })).toEqual([null, null, null, left(3, 2), left(4, 2), 4, 4]);
  expect(await cut({ deltaT: 2, tfinal: 3 })).toEqual([null, null, 5, 5, 4, 4, 4]);
  expect(await cut({ deltaT: 9 })).toEqual([null, null, null, null, null, 4, 4]);
});

test("the state of the allocation is taken back whole", async () => {
  const peft = await getPeftModel(new TinyModel(), config({ totalStep: 9, tfinal: 3, targetModules: ["up"] }));
  expect(peft.allocationState().size).toBe(0);
  await stays(peft, 1);
  const keys = ["lora_A", "lora_B", "lora_E"].flatMap((name) => [`${name}.sensitivity`, `${name}.uncertainty`]);
  const layers = ["layers.0.up", "layers.1.up"];
  expect([...peft.allocationState().keys()].sort()).toEqual(
    layers.flatMap((path) => keys.map((key) => `${path}.${key}`)),
  );
  await stays(peft, 4, 1);
  const state = peft.allocationState();
  const values = (map: ReadonlyMap<string, Tensor>) =>
    Object.fromEntries([...map].map(([key, t]) => [key, [...(t.dataSync() as Float32Array)]]));
  const ranks = ranksOf(peft as never);
  expect(ranks).not.toBe(null);
  expect([...state.keys()].sort()).toEqual(
    layers.flatMap((path) => [...keys.slice(0, 5), "lora_E.stays", keys[5]].map((key) => `${path}.${key}`)),
  );
  for (const path of layers) {
    expect(values(state)[`${path}.lora_E.stays`]).toEqual(ranks?.[`${path}.lora_E`].map(Number));
  }
  const before = values(state);
  const copies = new Map([...state].map(([key, t]) => [key, tensor(before[key], { shape: t.shape })]));
  await peft.setAllocationState(new Map());
  expect([peft.allocationState().size, ranksOf(peft as never)]).toEqual([0, null]);
  await peft.setAllocationState(copies);
  expect(values(peft.allocationState())).toEqual(before);
  expect(ranksOf(peft as never)).toEqual(ranks);
  const halves = new Map([...copies].filter(([key]) => key.endsWith("lora_A.sensitivity")));
  await peft.setAllocationState(halves);
  expect(peft.allocationState().size).toBe(0);
});

test("the state of a single layer is taken back too", async () => {
  const plan = { totalStep: 9, tfinal: 3, targetModules: ["layers.0.up"] };
  const peft = await getPeftModel(new TinyModel(), config(plan));
  await stays(peft, 6);
  const ranks = ranksOf(peft as never);
  expect(Object.keys(ranks ?? {})).toEqual(["layers.0.up.lora_E"]);
  const copies = new Map(
    Array.from(peft.allocationState(), ([key, t]) => [key, tensor(t.dataSync() as Float32Array, { shape: t.shape })]),
  );
  await peft.setAllocationState(new Map());
  await peft.setAllocationState(copies);
  expect(ranksOf(peft as never)).toEqual(ranks);
});

test("the divisor of the scaling is a constant of one number, and stands in for an alpha that is not above 0", async () => {
  const made = (options: AdaLoraOptions) =>
    getPeftModel(new TinyModel(), config({ targetModules: ["layers.0.up"], initLoraWeights: false, ...options }));
  const peft = await made({});
  const [[, divisor], ...others] = [...peft.namedParameters()].filter(([name]) => name.includes("ranknum"));
  expect(others).toEqual([]);
  expect([divisor.shape, divisor.requiresGrad, divisor.itemSync()]).toEqual([[1], false, 3]);
  const bits = async (loraAlpha: number) => logitBits(await made({ loraAlpha }));
  expect(await bits(0)).toEqual(await bits(3));
  expect(await bits(-1)).toEqual(await bits(3));
  expect(await bits(1)).not.toEqual(await bits(3));
  expect(await bits(0.5)).not.toEqual(await bits(3));
});

test("the first averages are of the products of numbers and gradients", async () => {
  const peft = await getPeftModel(new TinyModel(), config({ beta1: 0.75, beta2: 0.5, targetModules: ["layers.0.up"] }));
  scope(() => peft.loss(tinyBatch()).backward());
  const importance = new Map(
    Array.from(peft.base_model.trained("default"), ([key, parameter]) => {
      const [p, g] = [parameter, parameter.grad!].map((t) => [...(t.dataSync() as Float32Array)]);
      return [key.replace("base_model.model.", ""), p.map((x, i) => Math.abs(x * g[i]))];
    }),
  );
  expect(Math.max(...[...importance.values()].flat())).toBeGreaterThan(1e-4);
  await peft.updateAndAllocate(0);
  const state = peft.allocationState();
  for (const [key, values] of importance) {
    const [sensitivity, uncertainty] = ["sensitivity", "uncertainty"].map((what) => [
      ...(state.get(`${key}.${what}`)!.dataSync() as Float32Array),
    ]);
    for (const [i, value] of values.entries()) {
      expect(sensitivity[i]).toBeCloseTo(0.25 * value, 7);
      expect(uncertainty[i]).toBeCloseTo(0.5 * 0.75 * value, 7);
    }
  }
});

test("no rank is cut if the target is the start", async () => {
  const plan = { initR: 3, targetR: 3, totalStep: 6, targetModules: ["layers.0.up"] };
  expect(await stays(await getPeftModel(new TinyModel(), config(plan)), 4)).toEqual([null, null, null, null]);
});

test("a layer without ranks adds nothing, and one of a single rank does", async () => {
  const rankPattern = { "layers.0.up.lora_E": [false, false, false], "layers.1.up.lora_E": [true, false, false] };
  const made = await getPeftModel(new TinyModel(), config({ rankPattern, targetModules: ["up"] }));
  const peft = await PeftModel.fromPretrained(new TinyModel(), await made.adapterFiles(), { isTrainable: true });
  for (const t of peft.adapterTensors().values()) noGrad(() => copyInto(t, full(t.shape, 0.5)));
  const weight = (model: Module, i: number) =>
    (model.getSubmodule(`layers.${i}.up`) as Linear).weight.dataSync() as Float32Array;
  const merged = await peft.mergeAndUnload();
  const changes = [0, 1].map((i) => weight(merged, i).some((x, at) => x !== weight(new TinyModel(), i)[at]));
  expect(changes).toEqual([false, true]);
});

test("a single rank is cut where the plan takes one", async () => {
  expect(await stays(await getPeftModel(new TinyModel(), config({ totalStep: 70 })), 2)).toEqual([null, 11]);
});

test("layers of one rank take part in the cuts; ranks of a file that are gone stay gone", async () => {
  const rankPattern = { "layers.0.up.lora_E": [true, false, false], "layers.1.up.lora_E": [true, true, true] };
  const options = { rankPattern, targetModules: ["up"] };
  const files = await (await getPeftModel(new TinyModel(), config(options))).adapterFiles();
  const load = () => PeftModel.fromPretrained(new TinyModel(), files, { isTrainable: true });
  const peft = await load();
  const counts = await stays(peft as never, 7);
  expect(counts.at(-1)).toBe(2);
  const found = ranksOf(peft as never)!;
  expect(Object.entries(found).map(([key, { length }]) => [key, length])).toEqual([
    ["layers.0.up.lora_E", 1],
    ["layers.1.up.lora_E", 3],
  ]);
  const late = await load();
  const before = await logitBits(late);
  await late.updateAndAllocate(7);
  expect(await logitBits(late)).toEqual(before);
  expect(ranksOf(late as never)).toEqual(rankPattern);
  const bare = await getPeftModel(new TinyModel(), config({ targetModules: ["up"] }));
  await bare.updateAndAllocate(7);
  expect(ranksOf(bare as never)).toBe(null);
});

test("a plan without steps takes those of the training", () => {
  const open = config({ totalStep: null });
  expect(adaLora.withSteps?.(open, 30)).toEqual(config({ totalStep: 30 }));
  expect(adaLora.withSteps?.(config(), 30)).toEqual(config());
});
