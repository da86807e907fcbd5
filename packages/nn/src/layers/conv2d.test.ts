import {
  avgPool2d,
  conv1d,
  conv2d,
  crossEntropy,
  gelu,
  geluTanh,
  init,
  manualSeed,
  maxPool2d,
  rand,
  randn,
  reference,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import * as nn from "../index.ts";

beforeAll(() => init(reference()));

it("convolutions start as PyTorch's and take the options of conv1d and conv2d", () => {
  manualSeed(1);
  const layer = nn.Conv2d.create(4, 6, [3, 2], { groups: 2, padding: 1 });
  expect(layer.weight.shape).toEqual([6, 2, 3, 2]);
  const largest = Math.max(...layer.weight.dataSync().map(Math.abs));
  expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(12));
  expect(largest).toBeGreaterThan(0.26);
  const x = randn([2, 4, 5, 5]);
  const expected = conv2d(x, layer.weight, layer.bias, { groups: 2, padding: 1 });
  expect(layer.forward(x).dataSync()).toEqual(expected.dataSync());
  const line = nn.Conv1d.create(4, 3, 3, { stride: 2, bias: false });
  expect([...line.stateDict().keys()]).toEqual(["weight"]);
  const y = randn([2, 4, 9]);
  expect(line.forward(y).dataSync()).toEqual(conv1d(y, line.weight, null, { stride: 2 }).dataSync());
});

it("convolutions of given tensors have these, with a bias or without", () => {
  const [weight, bias] = [new nn.Parameter(randn([3, 2, 2, 2])), new nn.Parameter(randn([3]))];
  const x = randn([1, 2, 4, 4]);
  for (const given of [bias, null, undefined]) {
    const layer = new nn.Conv2d(weight, given, { stride: 2 });
    expect([layer.weight, layer.bias]).toEqual([weight, given ?? null]);
    expect(layer.weight).toBe(weight);
    expect(layer.forward(x).dataSync()).toEqual(conv2d(x, weight, given ?? null, { stride: 2 }).dataSync());
  }
});

it("layers without parameters are their functions", () => {
  const x = randn([2, 3, 6, 6]);
  const same = (module: nn.UnaryModule, expected: Tensor) =>
    expect(module.forward(x).dataSync()).toEqual(expected.dataSync());
  same(new nn.MaxPool2d(3, { stride: 2, padding: 1 }), maxPool2d(x, 3, { stride: 2, padding: 1 }));
  same(new nn.AvgPool2d([2, 3]), avgPool2d(x, [2, 3]));
  same(new nn.GELU(), gelu(x));
  same(new nn.GELU({ approximate: "tanh" }), geluTanh(x));
  expect(new nn.Flatten().forward(x).shape).toEqual([2, 108]);
  expect(new nn.MaxPool1d(2).forward(randn([3, 6])).shape).toEqual([3, 3]);
  expect(new nn.AvgPool1d(3).forward(randn([2, 3, 6])).shape).toEqual([2, 3, 2]);
  const signs = tensor([-1, 0, 2]);
  expect([...new nn.ReLU().forward(signs).dataSync()]).toEqual([0, 0, 2]);
  for (const [module, f] of [
    [new nn.SiLU(), (v: number) => v / (1 + Math.exp(-v))],
    [new nn.Tanh(), Math.tanh],
    [new nn.Sigmoid(), (v: number) => 1 / (1 + Math.exp(-v))],
  ] as const) {
    module
      .forward(signs)
      .dataSync()
      .forEach((v, i) => void expect(v).toBeCloseTo(f([-1, 0, 2][i]), 6));
  }
});

it("LayerNorm.create and Embedding.create start as PyTorch's", () => {
  const norm = nn.LayerNorm.create(4);
  expect([norm.eps, ...norm.weight.dataSync(), ...(norm.bias?.dataSync() ?? [])]).toEqual([
    1e-5, 1, 1, 1, 1, 0, 0, 0, 0,
  ]);
  manualSeed(2);
  const { weight } = nn.Embedding.create(100, 10);
  manualSeed(2);
  expect(weight.dataSync()).toEqual(randn([100, 10]).dataSync());
});

it("a small network learns where the brighter half of an image is", async () => {
  manualSeed(3);
  const net = new nn.Sequential(
    nn.Conv2d.create(1, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    nn.Linear.create(4 * 3 * 3, 2),
  );
  const optimizer = new nn.AdamW([...net.parameters()], { lr: 1e-2 });
  const batch = () => {
    const labels = Array.from({ length: 16 }, (_, i) => i % 2);
    const shift = tensor(
      labels.flatMap((label) => Array.from({ length: 36 }, (_, at) => Number(Math.floor((at % 6) / 3) === label))),
      { shape: [16, 1, 6, 6] },
    );
    return { x: rand([16, 1, 6, 6]).add(shift), labels: tensor(labels, { dtype: "i32" }) };
  };
  for (let step = 0; step < 40; step++) {
    const { x, labels } = batch();
    const loss = crossEntropy(net.forward(x), labels);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
  }
  net.eval();
  const { x, labels } = batch();
  expect(await crossEntropy(net.forward(x), labels).item()).toBeLessThan(0.1);
});
