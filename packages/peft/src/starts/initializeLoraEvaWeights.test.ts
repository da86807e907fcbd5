import {
  copyInto,
  full,
  Generator,
  gelu,
  init,
  memory,
  noGrad,
  randn,
  reference,
  scope,
  type Tensor,
  tensor,
  truncatedSvd,
} from "@lowrank/core";
import { Conv1D, Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../config/warning.ts";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import type { DataBatch } from "../methods/shared/methodFacts.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { initializeLoraEvaWeights } from "./startFromData.ts";

beforeAll(() => init(reference()));

const [vocabulary, dim, hidden] = [40, 5, 7];

/** An embedding that feeds two linear layers and a Conv1D, and a layer that receives their sum. */
class Reader extends Module {
  embed: UnaryModule;
  first: UnaryModule;
  second: UnaryModule;
  third: UnaryModule;
  out: UnaryModule;

  constructor() {
    super();
    const generator = new Generator(2);
    const draw = (shape: number[]) => new Parameter(randn(shape, { generator }));
    this.embed = new Embedding(draw([vocabulary, dim]));
    this.first = new Linear(draw([hidden, dim]));
    this.second = new Linear(draw([hidden, dim]));
    this.third = new Conv1D(draw([dim, hidden]));
    this.out = new Linear(draw([vocabulary, hidden]));
  }

  forward({ inputIds }: DataBatch): Tensor {
    return scope(() => {
      const x = this.embed.forward(inputIds);
      return this.out.forward(gelu(this.first.forward(x).add(this.second.forward(x)).add(this.third.forward(x))));
    });
  }
}

const ids = (seed: number, rows = 3, length = 8) => {
  const values = new Int32Array(rows * length);
  new Generator(seed).fillInt(values, 0, vocabulary);
  return tensor(values, { shape: [rows, length] });
};

const config = (options: LoraOptions = {}) =>
  new LoraConfig({
    r: 2,
    loraAlpha: 6,
    initLoraWeights: "eva",
    targetModules: ["first", "second", "third", "out"],
    ...options,
  });

const fresh = (options: LoraOptions = {}) => getPeftModel(new Reader(), config(options), { onWarning: () => {} });
const numbers = (t: Tensor) => t.dataSync() as Float32Array;
const a = (peft: PeftModel<Reader>, path: string) =>
  peft.adapterTensors().get(`base_model.model.${path}.lora_A.weight`);

/** Returns the first principal directions of the embeddings of some tokens. */
function expected(tokens: readonly number[], count: number) {
  const table = numbers((new Reader().embed as Embedding).weight);
  const rows = tokens.map((id) => [...table.slice(id * dim, (id + 1) * dim)]);
  const means = Array.from({ length: dim }, (_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length);
  const data = rows.flatMap((row) => row.map((x, j) => x - means[j]));
  return truncatedSvd(data, rows.length, dim, count);
}

function expectRows(found: Float32Array, wanted: Float64Array, count: number) {
  for (let k = 0; k < count; k++) {
    let dot = 0;
    for (let j = 0; j < dim; j++) dot += found[k * dim + j] * wanted[k * dim + j];
    expect(Math.abs(dot)).toBeCloseTo(1, 3);
  }
}

test("A starts with the directions of the layers' inputs, and the model answers as before", async () => {
  const peft = await fresh();
  const batches = [1, 2, 3].map((seed) => ({ inputIds: ids(seed) }));
  const plain = numbers(peft.disableAdapter(() => peft.forward(batches[0])));
  const before = memory().buffers;
  await initializeLoraEvaWeights(peft, batches);
  expect(memory().buffers).toBeLessThanOrEqual(before);
  const found = peft.peftConfig.get("default") as LoraConfig;
  const tokens = batches.flatMap(({ inputIds }) => [...numbers(inputIds)]);
  const { right } = expected(tokens, 4);
  const ranks = ["first", "second", "third", "out"].map((path) => a(peft, path)?.shape[0] ?? 0);
  expect(ranks.reduce((x, y) => x + y, 0)).toBe(8);
  expect(Math.max(...ranks)).toBeLessThanOrEqual(4);
  for (const [i, path] of ["first", "second", "third"].entries()) expectRows(numbers(a(peft, path)!), right, ranks[i]);
  for (const [i, path] of ["first", "second", "third", "out"].entries()) {
    if (ranks[i] === 0) continue;
    expect(found.rankPattern[path] ?? 2).toBe(ranks[i]);
    expect(found.alphaPattern[path] ?? 6).toBe(3 * ranks[i]);
  }
  expect(numbers(peft.forward(batches[0]))).toEqual(plain);
  const again = await PeftModel.fromPretrained(new Reader(), await peft.adapterFiles());
  expect(again.peftConfig.get("default")).toEqual(found);
  expect(numbers(again.forward(batches[0]))).toEqual(plain);
});

test("padding and masked labels do not count, unless the configuration says so", async () => {
  const inputIds = ids(5, 2, 12);
  const counted = (i: number) => i >= 3 && i < 20;
  const labels = tensor(
    Int32Array.from({ length: 24 }, (_, i) => (i < 3 ? -100 : 1)),
    { shape: [2, 12] },
  );
  const attentionMask = tensor(
    Uint8Array.from({ length: 24 }, (_, i) => (i < 20 ? 1 : 0)),
    { shape: [2, 12], dtype: "bool" },
  );
  const tokens = [...numbers(inputIds)];
  for (const [useLabelMask, chosen] of [
    [true, tokens.filter((_, i) => counted(i))],
    [false, tokens.slice(0, 20)],
  ] as const) {
    const peft = await fresh({ evaConfig: { rho: 1, useLabelMask }, targetModules: ["first"] });
    await initializeLoraEvaWeights(peft, [{ inputIds, labels, attentionMask }]);
    expectRows(numbers(a(peft, "first")!), expected(chosen, 2).right, 2);
  }
});

test("whitened directions are divided by the roots of their singular values; alphas can stay", async () => {
  const batch = { inputIds: ids(1) };
  const peft = await fresh({ evaConfig: { whiten: true, adjustScalingFactors: false } });
  await initializeLoraEvaWeights(peft, [batch]);
  const { values } = expected([...numbers(batch.inputIds)], 4);
  const first = numbers(a(peft, "first")!);
  for (let k = 0; k < first.length / dim; k++) {
    const squares = first.slice(k * dim, (k + 1) * dim).reduce((sum, x) => sum + x * x, 0);
    expect(squares * values[k]).toBeCloseTo(1, 3);
  }
  expect((peft.peftConfig.get("default") as LoraConfig).alphaPattern).toEqual({});
});

test("what is in the way is an error that says so, and leaves the adapter", async () => {
  const warnings: Warning[] = [];
  const peft = await getPeftModel(new Reader(), config(), { onWarning: (warning) => warnings.push(warning) });
  const message = 'initLoraWeights "eva" starts as plain LoRA; call initializeLoraEvaWeights before training';
  expect(warnings).toEqual([{ code: "needs-data", message }]);
  await expect(initializeLoraEvaWeights(peft, [])).rejects.toThrow("there are no batches");
  await expect(initializeLoraEvaWeights(peft, [{ inputIds: ids(1, 1, 3) }])).rejects.toThrow(
    "a batch has only 3 tokens that are not masked, but first may get rank 4",
  );
  expect(a(peft, "first")?.shape).toEqual([2, dim]);
  const plain = await getPeftModel(new Reader(), new LoraConfig({ targetModules: ["first"] }));
  await expect(initializeLoraEvaWeights(plain, [{ inputIds: ids(1) }])).rejects.toThrow(
    /is not LoRA with initLoraWeights/,
  );
  const b = peft.adapterTensors().get("base_model.model.first.lora_B.weight")!;
  noGrad(() => copyInto(b, full(b.shape, 1)));
  await expect(initializeLoraEvaWeights(peft, [{ inputIds: ids(1) }])).rejects.toThrow(/first.lora_B is not zero/);
  expect(() => config({ evaConfig: { rho: 0.5 } })).toThrow("evaConfig.rho is 0.5; it must be at least 1");
});

test("a batch needs as many tokens as a layer may get ranks, and no more", async () => {
  const peft = await fresh();
  await initializeLoraEvaWeights(peft, [{ inputIds: ids(1, 1, 4) }]);
  expect(a(peft, "first")).toBeDefined();
  // The rank is at most the number of inputs: 5 for the embedding's layers, 7 for the last layer.
  const wide = await fresh({ r: 4, targetModules: ["first", "out"] });
  await expect(initializeLoraEvaWeights(wide, [{ inputIds: ids(1, 1, 6) }])).rejects.toThrow(
    "a batch has only 6 tokens that are not masked, but out may get rank 7",
  );
  const alone = await fresh({ r: 4, targetModules: ["first"] });
  await initializeLoraEvaWeights(alone, [{ inputIds: ids(1, 1, 5) }]);
  expect(a(alone, "first")?.shape).toEqual([4, dim]);
});

test("ranks go to the directions that explain most, and layers without one lose their adapter", async () => {
  for (const [r, rho] of [
    [1, 2],
    [1, 1],
    [2, 1],
    [1, 4],
  ]) {
    const peft = await fresh({ r, loraAlpha: 3, evaConfig: { rho } });
    await initializeLoraEvaWeights(peft, [{ inputIds: ids(3) }]);
    const paths = ["first", "second", "third", "out"];
    const ranks = paths.map((path) => a(peft, path)?.shape[0] ?? 0);
    expect(ranks.reduce((x, y) => x + y)).toBe(4 * r);
    expect(Math.max(...ranks)).toBeLessThanOrEqual(r * rho);
    const { targetModules, rankPattern, alphaPattern } = peft.peftConfig.get("default") as LoraConfig;
    const kept = paths.filter((_, i) => ranks[i] > 0);
    expect(targetModules).toEqual(kept);
    const others = paths.flatMap((path, i) => (ranks[i] > 0 && ranks[i] !== r ? [[path, ranks[i]] as const] : []));
    expect(rankPattern).toEqual(Object.fromEntries(others));
    expect(alphaPattern).toEqual(Object.fromEntries(others.map(([path, rank]) => [path, (3 * rank) / r])));
    if (rho === 1) expect(ranks).toEqual([r, r, r, r]);
  }
  // Three layers receive the embeddings, so the first direction explains the same share for each.
  const peft = await fresh({ r: 1, evaConfig: { rho: 4 } });
  await initializeLoraEvaWeights(peft, [{ inputIds: ids(3) }]);
  const [first, second, third] = ["first", "second", "third"].map((path) => a(peft, path)?.shape[0] ?? 0);
  expect(Math.max(first, second, third) - Math.min(first, second, third)).toBeLessThanOrEqual(1);
});

test("the adapter that acted, and the mode, are those of before", async () => {
  const peft = await getPeftModel(new Reader(), config({ initLoraWeights: true }), {
    adapterName: "a",
    onWarning: () => {},
  });
  await peft.addAdapter("b", config());
  const start = (adapterName: string) => initializeLoraEvaWeights(peft, [{ inputIds: ids(3) }], { adapterName });
  peft.train();
  await start("b");
  expect([peft.activeAdapter, peft.training]).toEqual(["a", true]);
  peft.eval();
  peft.setAdapter("b");
  await start("b");
  expect([peft.activeAdapter, peft.training]).toEqual(["b", false]);
  peft.base_model.activate();
  await start("b");
  expect(peft.activeAdapter).toBe("b");
  expect(numbers(peft.adapterTensors("b").get("base_model.model.first.lora_B.weight")!).every((x) => x === 0)).toBe(
    true,
  );
});
