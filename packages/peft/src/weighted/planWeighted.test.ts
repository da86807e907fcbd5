import { copyInto, full, Generator, init, noGrad, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { TinyModel } from "../testing/tinyModel.ts";
import type { CombinationType } from "./combineLayer.ts";
import type { WeightedAdapterOptions } from "./weightedOptions.ts";

beforeAll(() => init(reference()));

const lora = (options: LoraOptions = {}) =>
  new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up"], ...options });

async function two(first = lora(), second = lora()): Promise<PeftModel<TinyModel>> {
  const peft = new PeftModel(new TinyModel().eval(), () => {});
  await peft.addAdapter("a", first, { generator: new Generator(1) });
  await peft.addAdapter("b", second, { generator: new Generator(2) });
  return peft;
}

let count = 0;
async function add(peft: PeftModel<TinyModel>, options: WeightedAdapterOptions, names = ["a", "b"]) {
  const name = `sum${count++}`;
  const report = await peft.addWeightedAdapter(names, [1, 0.5].slice(0, names.length), name, options);
  const values = [...peft.adapterTensors(name).values()].flatMap((t) => [...(t.dataSync() as Float32Array)]);
  return { ...report, values, config: peft.peftConfig.get(name) as LoraConfig };
}

const pruning: CombinationType[] = ["magnitude_prune", "ties", "dare_linear", "dare_ties"];

test("types that prune need a density, and the others do not", async () => {
  const peft = await two();
  for (const type of [...pruning, ...pruning.map((kind) => `${kind}_svd` as CombinationType)]) {
    await expect(add(peft, { combinationType: type })).rejects.toThrow(
      new Error(`addWeightedAdapter: density is null; it must be the share of elements to keep, since ${type} prunes`),
    );
    expect((await add(peft, { combinationType: type, density: 1 })).combinationType).toBe(type);
  }
  for (const type of ["linear", "cat", "svd"] as const) {
    expect((await add(peft, { combinationType: type })).combinationType).toBe(type);
  }
});

test("ranges of the options", async () => {
  const peft = await two();
  const refused: [WeightedAdapterOptions, string][] = [
    ...[0, -0.1, 1.001, Number.NaN].map((density): [WeightedAdapterOptions, string] => [{ density }, "density is"]),
    ...[0, -0.1, 1.001, Number.NaN].map((svdClamp): [WeightedAdapterOptions, string] => [
      { svdClamp },
      "it must be above 0 and up to 1",
    ]),
    ...[0, -1, 1.5].map((svdRank): [WeightedAdapterOptions, string] => [
      { svdRank },
      `svdRank is ${svdRank}; it must be an integer of at least 1`,
    ]),
  ];
  for (const [options, message] of refused) await expect(add(peft, options), message).rejects.toThrow(message);
  expect((await add(peft, { svdRank: 1 })).rank).toBe(1);
  expect((await add(peft, { svdClamp: 1 })).rank).toBe(2);
  expect((await add(peft, { combinationType: "ties", density: 0.01 })).rank).toBe(2);
});

test("ranks are the sum for cat, the largest for svd, and one for the others", async () => {
  const peft = await two(lora({ r: 3 }), lora({ rankPattern: { "layers.1.up": 4 } }));
  expect((await add(peft, { combinationType: "cat" })).config).toMatchObject({ r: 7, loraAlpha: 7, rankPattern: {} });
  expect((await add(peft, {})).config).toMatchObject({ r: 4, loraAlpha: 4 });
  expect((await add(peft, { combinationType: "magnitude_prune_svd", density: 0.5 })).rank).toBe(4);
  await expect(add(peft, { combinationType: "linear" })).rejects.toThrow(
    new Error(
      'addWeightedAdapter: combinationType "linear" needs equal ranks, but they are a 3, b 4; use "cat", or a type that ends in "svd"',
    ),
  );
  const alike = await two(lora({ r: 3 }), lora({ r: 3 }));
  expect((await add(alike, { combinationType: "linear" })).rank).toBe(3);
  // A single adapter is only scaled.
  expect(await add(peft, {}, ["a"])).toMatchObject({ combinationType: "linear", rank: 3 });
});

test("the defaults are svd, the seed 0 and signs by their total", async () => {
  const peft = await two();
  const values = async (options: WeightedAdapterOptions) => (await add(peft, options)).values;
  expect(await values({})).toEqual(
    await values({ combinationType: "svd", svdClamp: null, svdRank: null, density: null }),
  );
  const dare = { combinationType: "dare_linear", density: 0.5 } as const;
  expect(await values(dare)).toEqual(await values({ ...dare, seed: 0 }));
  expect(await values(dare)).not.toEqual(await values({ ...dare, seed: 1 }));
  const ties = { combinationType: "ties", density: 1 } as const;
  expect(await values(ties)).toEqual(await values({ ...ties, majoritySignMethod: "total" }));
  expect(await values(ties)).not.toEqual(await values({ ...ties, majoritySignMethod: "frequency" }));
});

test("the advice for adapters that started from weights depends on the start", async () => {
  for (const [initLoraWeights, advice] of [
    ["pissa", "save it with pathInitialModelForWeightConversion and combine the saved adapter"],
    ["loftq", "merge it instead"],
  ] as const) {
    const peft = await two(lora(), lora({ initLoraWeights }));
    await expect(add(peft, {}), initLoraWeights).rejects.toThrow(
      new Error(
        `addWeightedAdapter: adapter "b" was initialised by ${initLoraWeights}, which changed the base weights; ${advice}`,
      ),
    );
  }
});

test("weights are finite numbers", async () => {
  const peft = await two();
  for (const [i, weights] of [
    [Number.NaN, 1],
    [1, Number.POSITIVE_INFINITY],
  ].entries()) {
    await expect(peft.addWeightedAdapter(["a", "b"], weights, "sum")).rejects.toThrow(
      new Error(`addWeightedAdapter: weights[${i}] is ${weights[i]}; it must be a finite number`),
    );
  }
  await expect(peft.addWeightedAdapter([], [], "sum")).rejects.toThrow("no adapters are given; name at least one");
});

test("adapters with biases or tables cannot be combined", async () => {
  const message = "has its own biases or tables, which cannot be combined";
  // The output layer has no bias.
  const biases = await two(lora(), lora({ targetModules: ["lm_head"], bias: "lora_only" }));
  await expect(add(biases, {})).rejects.toThrow(`adapter "b" ${message}`);
  const table = await two(lora({ targetModules: ["embed_tokens"] }));
  noGrad(() => copyInto(table.base_model.tables("a").values().next().value!, full([11, 6], 0.5)));
  const peft = new PeftModel(new TinyModel().eval(), () => {});
  await peft.loadAdapter(await table.adapterFiles(["a"]), "a", { subfolder: "a" });
  await expect(add(peft, {}, ["a"])).rejects.toThrow(`adapter "a" ${message}`);
});
