import { copyInto, init, matmul, noGrad, reference, type Tensor, tensor } from "@lowrank/core";
import type { Linear, Parameter } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { OSFConfig, type OSFOptions } from "./osfConfig.ts";

beforeAll(() => init(reference()));

const up = "layers.0.up";
const put = (options: OSFOptions = {}, model = new TinyModel()) =>
  getPeftModel(model.eval(), new OSFConfig({ targetModules: [up], ...options }));
const numbers = async (t: Tensor) => [...((await t.data()) as Float32Array)];

/** Throws unless A [rows, n] times B [n, columns] is `expected`. */
async function expectProduct(a: Tensor, b: Tensor, expected: (row: number, column: number) => number): Promise<void> {
  const columns = b.shape[1];
  for (const [i, value] of (await numbers(matmul(a, b))).entries()) {
    expect(value).toBeCloseTo(expected(Math.floor(i / columns), i % columns), 5);
  }
}

const identity = (row: number, column: number) => (row === column ? 1 : 0);

function trainedParts(peft: Awaited<ReturnType<typeof put>>): Record<"u" | "s" | "v", Parameter> {
  const trained = peft.base_model.trained("default");
  const part = (name: string) => [...trained].find(([key]) => key.endsWith(`${name}_low`))![1];
  return { u: part("U"), s: part("S"), v: part("V") };
}

const partsOf = async (options: OSFOptions) => trainedParts(await put(options));

test("the smallest singular values train, and their vectors are orthonormal", async () => {
  const { u, s, v } = await partsOf({ effectiveRank: 2 });
  expect([u.shape, s.shape, v.shape]).toEqual([[10, 4], [4], [4, 6]]);
  const values = await numbers(s);
  expect(values).toEqual([...values].sort((a, b) => b - a));
  await expectProduct(u.transpose(0, 1), u, identity);
  await expectProduct(v, v.transpose(0, 1), identity);
});

test("the vectors of a weight of rank 1 are orthonormal too, and a new adapter changes nothing", async () => {
  const model = new TinyModel();
  const { weight } = model.getSubmodule(up) as Linear;
  const [rows, columns] = weight.shape;
  const rankOne = Float32Array.from(
    { length: rows * columns },
    (_, i) => (1 + Math.floor(i / columns)) * (i % columns),
  );
  noGrad(() => copyInto(weight, tensor(rankOne, { shape: weight.shape })));
  const before = new Float32Array((await logitBits(model.eval())).buffer);
  const peft = await put({ effectiveRank: 1 }, model);
  const { u, s, v } = trainedParts(peft);
  for (const value of await numbers(s)) expect(Math.abs(value)).toBeLessThan(1e-4);
  await expectProduct(u.transpose(0, 1), u, identity);
  await expectProduct(v, v.transpose(0, 1), identity);
  const after = new Float32Array((await logitBits(peft)).buffer);
  for (const [i, value] of after.entries()) expect(value).toBeCloseTo(before[i], 4);
});

test("gradients are orthogonal to the vectors that stay", async () => {
  const all = await partsOf({ effectiveRank: 1 });
  const peft = await put({ effectiveRank: 3 });
  train(peft, 1);
  peft.loss(tinyBatch()).backward();
  const { u, v } = trainedParts(peft);
  // The second and third of all directions stay in this adapter.
  await expectProduct(all.u.transpose(0, 1).slice({ dim: 0, start: 0, end: 2 }), u.grad!, () => 0);
  await expectProduct(v.grad!, all.v.slice({ dim: 0, start: 0, end: 2 }).transpose(0, 1), () => 0);
  expect(Math.max(...(await numbers(u.grad!)).map(Math.abs))).toBeGreaterThan(1e-5);
});

test("a rank pattern sets the directions of single layers", async () => {
  const { s } = await partsOf({ effectiveRank: 1, rankPattern: { "\\.up": 4 } });
  expect(s.shape).toEqual([2]);
  const { s: half } = await partsOf({ effectiveRank: 0.34 });
  expect(half.shape).toEqual([4]);
});

test.each([
  ["effectiveRank 6 keeps 6 of its 6 singular directions", { effectiveRank: 6 }],
  ["effectiveRank 0.1 keeps 0 of its 6 singular directions", { effectiveRank: 0.1 }],
  ['rankPattern["up"] 7 keeps 7 of its 6 singular directions', { rankPattern: { up: 7 } }],
] as const)("%s: an error that names the layer", async (message, options) => {
  await expect(put(options)).rejects.toThrow(`layers.0.up is [10,6]: ${message}; it must keep at least 1`);
});

test("quantised weights are an error with the fix", async () => {
  const model = new TinyModel({ quantize: { quantType: "nf4" } });
  await expect(put({}, model)).rejects.toThrow(
    "layers.0.up is nf4, but OSF needs singular vectors of its weight: load",
  );
});
