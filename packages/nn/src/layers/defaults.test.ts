import {
  defaultGenerator,
  Generator,
  init,
  manualSeed,
  ones,
  quantize4bit,
  randn,
  reference,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import { beforeAll, describe, expect, it, test } from "vitest";
import * as nn from "../index.ts";
import { Parameter } from "../index.ts";

beforeAll(() => init(reference()));

const valuesOf = (t: Tensor) => [...t.dataSync()].map(Number);
const largest = (t: Tensor) => Math.max(...valuesOf(t).map(Math.abs));

describe("defaults are PyTorch's", () => {
  it("of norms", () => {
    expect(new nn.BatchNorm1d(2)).toMatchObject({ eps: 1e-5, momentum: 0.1 });
    expect(new nn.BatchNorm2d(2, { eps: 0.5, momentum: 0.25 })).toMatchObject({ eps: 0.5, momentum: 0.25 });
    expect(new nn.LayerNorm(2)).toMatchObject({ eps: 1e-5 });
    expect(new nn.LayerNorm(2, { eps: 0.5 }).eps).toBe(0.5);
    expect(new nn.LayerNorm(2, { bias: true }).bias).not.toBe(null);
    const [weight, bias] = [new Parameter(ones([2])), new Parameter(zeros([2]))];
    expect(Reflect.construct(nn.LayerNorm, [weight, bias]).eps).toBe(1e-5);
    expect(new nn.LayerNorm(weight, null, 0.5)).toMatchObject({ bias: null, eps: 0.5 });
    expect(() => Reflect.construct(nn.LayerNorm, [weight, 3, 0.5])).toThrow("LayerNorm: bias is 3; make the layer as");
    expect(new nn.RMSNorm(2).eps).toBe(2 ** -23);
    expect(new nn.RMSNorm([2], { eps: 0.5 }).eps).toBe(0.5);
  });

  it("of dropout and flattening", () => {
    expect(new nn.Dropout()).toMatchObject({ p: 0.5, generator: defaultGenerator, training: true });
    expect(new nn.Flatten()).toMatchObject({ startDim: 1, endDim: -1 });
    const x = zeros([2, 3, 4, 5]);
    expect(new nn.Flatten().forward(x).shape).toEqual([2, 60]);
    expect(new nn.Flatten({ startDim: 0, endDim: 1 }).forward(x).shape).toEqual([6, 4, 5]);
    expect(new nn.Flatten({ startDim: 2 }).forward(x).shape).toEqual([2, 3, 20]);
  });

  it("of the bounds from which weights and biases are drawn", () => {
    manualSeed(5);
    const { weight, bias } = new nn.Linear(25, 40);
    expect([largest(weight), largest(bias as Tensor)].every((x) => x <= 0.2 && x > 0.17)).toBe(true);
    expect(Math.min(...valuesOf(weight))).toBeLessThan(-0.17);
    const conv = new nn.Conv1d(4, 64, 4);
    expect(conv.weight.shape).toEqual([64, 4, 4]);
    expect([largest(conv.weight), largest(conv.bias as Tensor)].every((x) => x <= 0.25 && x > 0.2)).toBe(true);
    const square = new nn.Conv2d(4, 32, 2, { groups: 2 });
    expect([square.weight.shape, square.bias?.shape]).toEqual([[32, 2, 2, 2], [32]]);
    expect(largest(square.weight)).toBeLessThanOrEqual(1 / Math.sqrt(8));
    expect(largest(square.weight)).toBeGreaterThan(0.3);
    expect(new nn.Conv2d(1, 1, 1, { bias: false }).bias).toBe(null);
  });
});

test("all parameters of fresh layers train, and packed ones do not", () => {
  for (const layer of [new nn.Linear(2, 2), new nn.LayerNorm(2), new nn.Embedding(2, 2), new nn.Conv1D(2, 2)]) {
    expect([...layer.parameters()].map(({ requiresGrad }) => requiresGrad)).not.toContain(false);
  }
  const weight = quantize4bit(ones([2, 64]), {});
  expect(new Parameter(weight).requiresGrad).toBe(false);
  expect(new Parameter(ones([2]), { requiresGrad: false }).requiresGrad).toBe(false);
});

describe("sizes", () => {
  it("are whole numbers above 0", () => {
    // biome-ignore lint/suspicious/noExplicitAny: a table of classes
    const make = (name: string, args: unknown[]) => () => new (nn as any)[name](...args);
    const cases: [string, (size: unknown) => unknown[]][] = [
      ["Linear", (size) => [size, 1]],
      ["Linear", (size) => [1, size]],
      ["Conv1D", (size) => [1, size]],
      ["Conv1d", (size) => [1, 1, size]],
      ["Conv2d", (size) => [1, size, 1]],
      ["Conv2d", (size) => [1, 1, [size, 1]]],
      ["Embedding", (size) => [size, 1]],
      ["Embedding", (size) => [1, size]],
      ["LayerNorm", (size) => [[size]]],
      ["RMSNorm", (size) => [[size]]],
      ["BatchNorm1d", (size) => [size]],
    ];
    for (const [name, args] of cases) {
      expect(make(name, args(1))).not.toThrow();
      for (const size of [0, -1, 1.5]) expect(make(name, args(size))).toThrow(/all must be whole numbers above 0/);
    }
  });

  it("of a norm are those of the last dimension alone", () => {
    for (const shape of [[], [2, 3]]) {
      expect(() => new nn.RMSNorm(shape)).toThrow(`RMSNorm: the shape is [${shape}]; it normalises the last dimension`);
    }
  });

  it("of inputs and outputs are those of the weight", () => {
    expect(new nn.Linear(3, 5)).toMatchObject({ inFeatures: 3, outFeatures: 5 });
    expect(new nn.Conv1D(5, 3)).toMatchObject({ inFeatures: 3, outFeatures: 5 });
  });
});

test("ids of padding are those of rows, from both ends", () => {
  const make = (paddingIdx: number | null) => new nn.Embedding(4, 2, { paddingIdx });
  expect([null, 0, 3, -1, -4].map((id) => make(id).paddingIdx)).toEqual([null, 0, 3, 3, 0]);
  for (const id of [4, -5, 0.5]) {
    expect(() => make(id)).toThrow(`Embedding: paddingIdx is ${id}; it must be the index of a row, from -4 to 3`);
  }
  const cleared = valuesOf(make(0).weight).map((x) => x === 0);
  expect(cleared).toEqual([true, true, ...Array(6).fill(false)]);
  expect(new nn.Embedding(new Parameter(ones([2, 2]))).paddingIdx).toBe(null);
});

describe("dropout", () => {
  const x = () => ones([1000]);

  it("zeroes a share of the entries while training, and scales the others", () => {
    const layer = new nn.Dropout(0.25, new Generator(1));
    const values = valuesOf(layer.forward(x()));
    const zero = values.filter((v) => v === 0).length;
    expect(Math.abs(zero - 250)).toBeLessThan(60);
    expect(values.every((v) => v === 0 || Math.abs(v - 4 / 3) < 1e-6)).toBe(true);
  });

  it("does nothing in evaluation mode, and none with p = 0", () => {
    const t = x();
    expect(new nn.Dropout(0.5).eval().forward(t)).toBe(t);
    const generator = new Generator(1);
    expect(new nn.Dropout(0, generator).forward(t)).toBe(t);
    expect(generator.offset).toBe(0);
    expect(valuesOf(new nn.Dropout(1e-9).forward(t))).toEqual(valuesOf(t));
  });

  it("of attention is that of the layer while it trains", () => {
    const generator = new Generator(1);
    const layer = new nn.Dropout(0.25, generator);
    expect(layer.ofAttention()).toEqual({ dropoutP: 0.25, generator });
    expect(layer.eval().ofAttention()).toEqual({});
  });
});

describe("batch normalisation", () => {
  it("takes inputs of its ranks and channels", () => {
    const [one, two] = [new nn.BatchNorm1d(2), new nn.BatchNorm2d(2)];
    for (const shape of [
      [2, 2],
      [2, 2, 3],
    ])
      expect(one.forward(randn(shape)).shape).toEqual(shape);
    for (const shape of [[2], [2, 2, 3, 3], [2, 3], [3, 2, 1, 1]]) {
      expect(() => one.forward(zeros(shape)), `${shape}`).toThrow("is not of 2 or 3 dimensions with 2 channels");
    }
    expect(two.forward(randn([1, 2, 1, 2])).shape).toEqual([1, 2, 1, 2]);
    expect(() => two.forward(zeros([2, 2, 3]))).toThrow("is not of 4 dimensions with 2 channels");
  });

  it("moves the running statistics by the momentum, with the variance of a sample", () => {
    const layer = new nn.BatchNorm1d(1, { momentum: 0.25 });
    layer.forward(tensor([1, 3], { shape: [2, 1] }));
    expect(valuesOf(layer.running_mean)).toEqual([0.5]);
    // (1 - 0.25) times 1, plus 0.25 times 2.
    expect(valuesOf(layer.running_var)).toEqual([1.25]);
    expect(valuesOf(layer.num_batches_tracked)).toEqual([1]);
    layer.eval().forward(tensor([9], { shape: [1, 1] }));
    expect(valuesOf(layer.num_batches_tracked)).toEqual([1]);
    layer.train().forward(tensor([1, 3], { shape: [2, 1] }));
    expect(valuesOf(layer.num_batches_tracked)).toEqual([2]);
  });

  it("divides by the root of the variance and eps", () => {
    const layer = new nn.BatchNorm1d(1, { eps: 3 });
    for (const [i, v] of valuesOf(layer.forward(tensor([1, 3], { shape: [2, 1] }))).entries()) {
      expect(v).toBeCloseTo([-0.5, 0.5][i], 6);
    }
    const fresh = new nn.BatchNorm1d(1, { eps: 3 }).eval();
    expect(valuesOf(fresh.forward(tensor([4], { shape: [1, 1] })))[0]).toBeCloseTo(2, 6);
  });
});

describe("Linear4bit", () => {
  it("takes matrices, and has the settings of their quantisation", () => {
    const line = quantize4bit(ones([64]), {});
    expect(() => new nn.Linear4bit(new Parameter(line))).toThrow("the weight is nf4 [64], not nf4 or fp4 [out,in]");
    const weight = quantize4bit(randn([2, 64]), { quantType: "fp4", blockSize: 128, doubleQuant: true });
    const layer = new nn.Linear4bit(new Parameter(weight));
    expect(layer).toMatchObject({ quantType: "fp4", blockSize: 128, doubleQuant: true, bias: null });
  });

  it("is made of a layer, and back, with its mode", () => {
    for (const training of [true, false]) {
      const layer = new nn.Linear(64, 2).train(training);
      layer.weight.precision = "medium";
      const packed = nn.quantizeLinear(layer);
      expect([packed.training, packed.weight.requiresGrad, packed.blockSize]).toEqual([training, false, 64]);
      expect([packed.quantType, packed.doubleQuant, packed.weight.precision]).toEqual(["nf4", false, "medium"]);
      const back = packed.dequantize();
      expect([back.training, back.weight.requiresGrad, back.weight.dtype]).toEqual([training, false, "f32"]);
      expect([back.bias === layer.bias, back.weight.precision]).toEqual([true, "medium"]);
    }
  });
});

test("modules of a list and a dict are found by their names", () => {
  const [a, b] = [new nn.ReLU(), new nn.Tanh()];
  const list = new nn.ModuleList<nn.Module>([a, b]);
  expect([list.length, list.at(1), list.getChild("0"), list.getChild("1")]).toEqual([2, b, a, b]);
  for (const name of ["2", "-1", "01", "1.0", "x", ""]) expect(list.getChild(name)).toBeUndefined();
  list.setSubmodule("1", a);
  expect([...list]).toEqual([a, a]);
});
