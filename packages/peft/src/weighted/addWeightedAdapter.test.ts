import { Generator, init, matmul, reference, scope, type Tensor } from "@lowrank/core";
import { beforeAll, describe, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { VeraConfig } from "../methods/sharedVectors/veraConfig.ts";
import { IA3Config, type IA3Options } from "../methods/vectors/ia3Config.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";
import type { CombinationType } from "./combineLayer.ts";

beforeAll(() => init(reference()));

const lora = (options: LoraOptions = {}) =>
  new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up", "down"], ...options });

async function withAdapters(...configs: LoraConfig[]): Promise<PeftModel<TinyModel>> {
  const peft = new PeftModel(new TinyModel().eval(), () => {});
  for (const [i, config] of configs.entries()) {
    await peft.addAdapter("abc"[i], config, { generator: new Generator(i + 1) });
  }
  return peft;
}

const paths = ["layers.0.up", "layers.0.down", "layers.1.up", "layers.1.down"];

function factors(peft: PeftModel<TinyModel>, name: string, path: string): [a: Tensor, b: Tensor] {
  const tensors = peft.adapterTensors(name);
  const get = (side: string) =>
    tensors.get(`base_model.model.${path}.lora_${side}.weight`) ??
    tensors.get(`base_model.model.${path}.lora_embedding_${side}`);
  return [get("A")!, get("B")!];
}

const product = (peft: PeftModel<TinyModel>, name: string, path: string, scale = 1) => {
  const [a, b] = factors(peft, name, path);
  return Float64Array.from(matmul(b, a).dataSync() as Float32Array, (x) => scale * x);
};
const minus = (a: Float64Array, b: Float64Array) => a.map((x, i) => x - b[i]);
const norm = (a: Float64Array) => Math.hypot(...a);

/** Returns the weighted sum of products, with each adapter's scaling. */
function exactSum(peft: PeftModel<TinyModel>, path: string, parts: [name: string, factor: number][]): Float64Array {
  const products = parts.map(([name, factor]) => product(peft, name, path, factor));
  return products.reduce((sum, one) => sum.map((x, i) => x + one[i]));
}

test("cat is the weighted sum, whatever ranks and scalings are", async () => {
  const peft = await withAdapters(
    lora(),
    lora({ r: 3, useRslora: true, loraAlpha: 5 }),
    lora({ rankPattern: { up: 4 } }),
  );
  const report = await peft.addWeightedAdapter(["a", "b", "c"], [0.5, -2, 0], "sum", { combinationType: "cat" });
  expect(report).toMatchObject({ combinationType: "cat", rank: 2 + 3 + 4 });
  expect(report.layers.map(({ path }) => path)).toEqual(paths);
  for (const { relativeError } of report.layers) expect(relativeError).toBeLessThan(1e-6);
  const exact = exactSum(peft, "layers.0.up", [
    ["a", 0.5 * 4],
    ["b", (-2 * 5) / Math.sqrt(3)],
  ]);
  expect(norm(minus(product(peft, "sum", "layers.0.up"), exact)) / norm(exact)).toBeLessThan(1e-6);
  expect(peft.peftConfig.get("sum")).toMatchObject({ r: 9, loraAlpha: 9, useRslora: false, rankPattern: {} });
});

test("linear brings in products across adapters, and the report says how much", async () => {
  const peft = await withAdapters(lora({ loraAlpha: 2 }), lora({ loraAlpha: 2 }));
  const { layers } = await peft.addWeightedAdapter(["a", "b"], [0.7, -0.4], "sum", { combinationType: "linear" });
  for (const { path, relativeError } of layers) {
    const exact = exactSum(peft, path, [
      ["a", 0.7],
      ["b", -0.4],
    ]);
    const off = norm(minus(product(peft, "sum", path), exact)) / norm(exact);
    expect(off).toBeGreaterThan(0.1);
    expect(relativeError).toBeCloseTo(off, 5);
  }
  const [a, b] = factors(peft, "sum", paths[0]);
  const numbers = (t: Tensor) => Array.from(t.dataSync() as Float32Array);
  for (const [mine, side] of [
    [a, 0],
    [b, 1],
  ] as const) {
    const [first, second] = ["a", "b"].map((name) => numbers(factors(peft, name, paths[0])[side]));
    const sign = side === 0 ? -1 : 1;
    for (const [i, value] of numbers(mine).entries()) {
      expect(value).toBeCloseTo(Math.sqrt(0.7) * first[i] + sign * Math.sqrt(0.4) * second[i], 6);
    }
  }
});

test("svd is the best approximation of its rank", async () => {
  const peft = await withAdapters(lora(), lora({ r: 3 }));
  const weights = [1.5, 0.5];
  const whole = await peft.addWeightedAdapter(["a", "b"], weights, "whole", { svdRank: 5 });
  for (const { relativeError } of whole.layers) expect(relativeError).toBeLessThan(1e-6);
  const { layers, rank } = await peft.addWeightedAdapter(["a", "b"], weights, "cut");
  expect(rank).toBe(3);
  for (const { path, relativeError } of layers) {
    // The norms of B's columns are the singular values.
    const [, b] = factors(peft, "whole", path);
    const values = Array.from({ length: 5 }, (_, k) =>
      Math.hypot(...(b.dataSync() as Float32Array).filter((_, i) => i % 5 === k)),
    );
    expect(values).toEqual([...values].sort((x, y) => y - x));
    expect(relativeError).toBeCloseTo(Math.hypot(...values.slice(3)) / Math.hypot(...values), 5);
  }
});

test("ranks above what a layer has are filled up with zeros, in svd of all kinds", async () => {
  const peft = await withAdapters(lora({ r: 5 }), lora({ r: 4 }));
  for (const [combinationType, name] of [
    ["svd", "x"],
    ["magnitude_prune_svd", "y"],
  ] as const) {
    const options = { combinationType, svdRank: 9, density: 1 };
    const { layers } = await peft.addWeightedAdapter(["a", "b"], [1, 1], name, options);
    for (const { relativeError } of layers) expect(relativeError).toBeLessThan(1e-5);
    expect(factors(peft, name, paths[0])[0].shape).toEqual([9, 6]);
  }
});

test("what adapters started from is no matter", async () => {
  const peft = await withAdapters(lora({ initLoraWeights: "orthogonal" }), lora({ initLoraWeights: "gaussian" }));
  const { rank } = await peft.addWeightedAdapter(["a", "b"], [1, 1], "sum", { svdRank: 3 });
  expect(rank).toBe(3);
  expect(peft.peftConfig.get("sum")).toMatchObject({ initLoraWeights: true });
});

test("products are pruned as the layer's weight lies, whatever other layers there are", async () => {
  const found = await Promise.all(
    [["up"], ["up", "down"]].map(async (targetModules) => {
      const peft = await withAdapters(lora({ targetModules }), lora({ targetModules }));
      await peft.addWeightedAdapter(["a", "b"], [1, 1], "sum", { combinationType: "dare_linear_svd", density: 0.5 });
      return product(peft, "sum", paths[0]);
    }),
  );
  expect(found[1]).toEqual(found[0]);
});

test("an adapter may count more than once", async () => {
  const peft = await withAdapters(lora(), lora());
  await peft.addWeightedAdapter(["a", "b", "a"], [0.5, 1, 0.25], "twice", { combinationType: "cat" });
  await peft.addWeightedAdapter(["a", "b"], [0.75, 1], "once", { combinationType: "cat" });
  const [twice, once] = ["twice", "once"].map((name) => product(peft, name, paths[0]));
  expect(norm(minus(twice, once)) / norm(once)).toBeLessThan(1e-6);
});

test("one adapter alone is scaled exactly, and adapters that do nothing stay so", async () => {
  const peft = await withAdapters(lora({ loraAlpha: 3 }));
  const { combinationType, layers } = await peft.addWeightedAdapter(["a"], [-2], "scaled", { density: 0.1 });
  expect(combinationType).toBe("linear");
  for (const { relativeError } of layers) expect(relativeError).toBeLessThan(1e-6);
  const fresh = await withAdapters(lora({ initLoraWeights: true }), lora({ initLoraWeights: true }));
  const before = await fresh.disableAdapter(() => logitBits(fresh));
  await fresh.addWeightedAdapter(["a", "b"], [1, 1], "none");
  fresh.setAdapter("none");
  expect(await logitBits(fresh)).toEqual(before);
});

describe.each<CombinationType>([
  "linear",
  "cat",
  "svd",
  "ties",
  "ties_svd",
  "dare_linear",
  "dare_ties",
  "dare_linear_svd",
  "dare_ties_svd",
  "magnitude_prune",
  "magnitude_prune_svd",
])("%s", (combinationType) => {
  const config = lora({ targetModules: ["up", "down", "embed_tokens"] });

  test("acts, is saved and loaded, and leaves the others alone", async () => {
    const peft = await withAdapters(config, lora());
    peft.setAdapter("a");
    const before = await logitBits(peft);
    await peft.addWeightedAdapter(["a", "b"], [1, 0.5], "sum", { combinationType, density: 0.5 });
    expect(peft.activeAdapter).toBe("a");
    expect(await logitBits(peft)).toEqual(before);
    peft.setAdapter("sum");
    const live = await logitBits(peft);
    expect(live).not.toEqual(before);
    expect([...peft.trainableParameters()]).toEqual([]);
    const files = await peft.adapterFiles(["sum"]);
    const again = await PeftModel.fromPretrained(new TinyModel().eval(), files, {
      subfolder: "sum",
      onWarning: () => {},
    });
    expect(await logitBits(again)).toEqual(live);
    peft.setAdapter("sum", { inferenceMode: false });
    expect(train(peft, 4).at(-1)).toBeLessThan(scope(() => again.loss(tinyBatch()).itemSync()));
  });

  if (!combinationType.endsWith("svd")) return;
  test("svdClamp bounds both factors", async () => {
    const peft = await withAdapters(lora(), lora());
    const options = { combinationType, density: 0.9 };
    await peft.addWeightedAdapter(["a", "b"], [1, 1], "free", options);
    await peft.addWeightedAdapter(["a", "b"], [1, 1], "bound", { ...options, svdClamp: 0.8 });
    await peft.addWeightedAdapter(["a", "b"], [1, 1], "largest", { ...options, svdClamp: 1 });
    const all = (name: string) => factors(peft, name, paths[0]).flatMap((t) => [...(t.dataSync() as Float32Array)]);
    const free = all("free").sort((x, y) => x - y);
    const place = 0.8 * (free.length - 1);
    const below = Math.floor(place);
    const limit = free[below] + (place - below) * (free[below + 1] - free[below]);
    expect(Math.max(...all("bound").map(Math.abs))).toBeCloseTo(limit, 6);
    expect(Math.max(...all("largest").map(Math.abs))).toBe(Math.max(...free));
  });
});

test("what cannot be combined is refused, and nothing is added", async () => {
  const add = (peft: PeftModel<TinyModel>, options?: object, weights = [1, 1], names = ["a", "b"]) =>
    peft.addWeightedAdapter(names, weights, "sum", options);
  const pair = (second: LoraConfig) => withAdapters(lora(), second);
  const plain = await pair(lora());
  const refused: [() => Promise<unknown>, string][] = [
    [() => add(plain, {}, [1, 1], ["a", "z"]), 'there is no adapter "z"; there are a, b'],
    [() => add(plain, {}, []), "0 weights for 2 adapters"],
    [() => add(plain, {}, [1, Number.NaN]), "weights[1] is NaN"],
    [() => add(plain, {}, [], []), "no adapters are given"],
    [() => add(plain, { combinationType: "mean" }), 'combinationType is "mean"; it must be one of linear, cat, svd'],
    [() => add(plain, { combinationType: "ties" }), "since ties prunes"],
    [() => add(plain, { density: 1.5 }), "density is 1.5; it must be above 0 and up to 1"],
    [() => add(plain, { majoritySignMethod: "mode" }), '"total" or "frequency"'],
    [() => add(plain, { svdClamp: 1.1 }), "svdClamp is 1.1; it must be above 0 and up to 1"],
    [() => add(plain, { svdClamp: 0.2 }), "svdClamp is 0.2, but that quantile of the factors is -"],
    [() => add(plain, { svdRank: 0 }), "svdRank is 0"],
    [() => plain.addWeightedAdapter(["a", "b"], [1, 1], "b"), 'there is an adapter "b" already'],
    [
      async () => add(await pair(lora({ r: 3 })), { combinationType: "linear" }),
      'combinationType "linear" needs equal ranks, but they are a 2, b 3',
    ],
    [
      async () => add(await pair(lora({ r: 1, rankPattern: { down: 2 } })), { combinationType: "ties", density: 1 }),
      "on layers.0.up they are 2, 1 (rankPattern)",
    ],
    [async () => add(await pair(lora({ targetModules: ".*up" }))), 'they are a ["up","down"], b ".*up"'],
    [async () => add(await pair(lora({ useDora: true }))), 'adapter "b" has useDora'],
    [async () => add(await pair(lora({ loraBias: true }))), 'adapter "b" has loraBias'],
    [async () => add(await pair(lora({ bias: "all" }))), 'adapter "b" has its own biases or tables'],
    [
      async () => add(await pair(lora({ modulesToSave: ["lm_head"] }))),
      'adapter "b" trains all weights of lm_head (modulesToSave)',
    ],
    [async () => add(await pair(lora({ trainableTokenIndices: [1] }))), 'adapter "b" trains rows of embeddings'],
    [
      async () => add(await pair(lora({ initLoraWeights: "olora" }))),
      "was initialised by olora, which changed the base weights",
    ],
  ];
  for (const [run, message] of refused) await expect(run(), message).rejects.toThrow(message);
  expect([...plain.peftConfig.keys()]).toEqual(["a", "b"]);
  const layered = await withAdapters(lora({ excludeModules: ["layers.1.up", "layers.1.down"] }), lora());
  await expect(add(layered)).rejects.toThrow('adapter "b" adapts layers.1.up, layers.1.down, which layersToTransform');
  expect([...layered.peftConfig.keys()]).toEqual(["a", "b"]);
  await expect(
    (await getPeftModel(new TinyModel().eval(), new VeraConfig({ targetModules: ["up"] }))).addWeightedAdapter(
      ["default"],
      [1],
      "sum",
    ),
    // Other tests of this process may have registered methods.
  ).rejects.toThrow(/is VERA; only LORA and IA3 (and \S+ )*adapters can be combined/);
});

test("factors of (IA)³ are summed, where all are on the same inputs and outputs", async () => {
  const ia3 = (options: IA3Options = {}) =>
    new IA3Config({ targetModules: ["up", "down"], feedforwardModules: ["down"], initIa3Weights: false, ...options });
  const made = async (second: IA3Config | LoraConfig) => {
    const peft = await getPeftModel(new TinyModel().eval(), ia3(), { adapterName: "a", onWarning: () => {} });
    await peft.addAdapter("b", second, { generator: new Generator(2) });
    return peft;
  };
  const peft = await made(ia3());
  const report = await peft.addWeightedAdapter(["a", "b"], [0.7, -0.4], "sum");
  expect(report).toMatchObject({ combinationType: "linear", rank: null });
  expect(report.layers.map(({ path }) => path)).toEqual(paths);
  for (const { relativeError } of report.layers) expect(relativeError).toBeLessThan(1e-7);
  const [a, b, sum] = ["a", "b", "sum"].map((name) => [...peft.adapterTensors(name).values()]);
  for (const [i, t] of sum.entries()) {
    const [x, y, z] = [a[i], b[i], t].map((one) => Array.from(one.dataSync() as Float32Array));
    for (const [j, value] of z.entries()) expect(value).toBeCloseTo(0.7 * x[j] - 0.4 * y[j], 6);
  }
  await expect(peft.addWeightedAdapter(["a", "b"], [1, 1], "x", { combinationType: "cat" })).rejects.toThrow(
    'combinationType is "cat"; for IA3 adapters it must be "linear"',
  );
  for (const [second, message] of [
    [
      ia3({ targetModules: ["up"], feedforwardModules: [] }),
      'the factors of adapter "b" on layers.0.down are missing, expected [1,10]',
    ],
    [
      ia3({ feedforwardModules: ["up", "down"] }),
      'the factors of adapter "a" on layers.0.up are [10,1], expected [1,6]',
    ],
    [ia3({ modulesToSave: ["lm_head"] }), 'adapter "b" trains all weights of lm_head (modulesToSave)'],
    [lora(), 'adapter "b" is LORA, and "a" is IA3; all adapters must have the same method'],
  ] as const) {
    const other = await made(second);
    await expect(other.addWeightedAdapter(["a", "b"], [1, 1], "sum"), message).rejects.toThrow(message);
    expect([...other.peftConfig.keys()]).toEqual(["a", "b"]);
  }
});
