import {
  attention,
  type Backend,
  cat,
  copyInto,
  crossEntropy,
  dropout,
  embedding,
  full,
  Generator,
  gradients,
  layerNorm,
  linearCrossEntropy,
  matmul,
  noGrad,
  quantize4bit,
  reference,
  rmsNorm,
  scope,
  silu,
  softmax,
  type Tensor,
  topk,
} from "@lowrank/core";
import { adamStep, cacheWrite, clipToNorm, gradNorm, loraLinear, sgdStep } from "@lowrank/core/internal";
import { expectClose, type Input, inputValues, makeInput, prepareStored, storedWeights } from "@lowrank/core/testing";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDevice } from "../device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "../index.ts";
import { narrowDevice } from "../testing/watchedDevice.ts";

/** The most bytes of a buffer that kernels of the narrow device can bind: 4096 elements. */
const most = 16384;

interface LargeCase {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly run: (tensors: Tensor[]) => Tensor | Tensor[];
  readonly gradients?: readonly number[];
}

const f32 = (...shape: number[]): Input => ({ shape });
const ids = (high: number, ...shape: number[]): Input => ({ shape, dtype: "i32", low: 0, high });
const stored = (store: keyof typeof storedWeights, ...shape: number[]): Input => ({
  shape,
  store: storedWeights[store],
});
const cases: readonly LargeCase[] = [
  {
    name: "numbers",
    inputs: [f32(137, 141)],
    run: ([x]) => [silu(x.exp().mul(2)), x.gt(0), x.to("i32")],
    gradients: [0],
  },
  { name: "f16 and back", inputs: [f32(2, 15000)], run: ([x]) => x.to("f16").to("f32").to("bf16").to("f32") },
  {
    name: "broadcast numbers",
    inputs: [f32(140, 3, 20), f32(20), f32(140, 1, 1), f32(3, 1)],
    run: ([x, a, b, c]) => x.add(a).mul(b).sub(c),
    gradients: [0, 1, 2, 3],
  },
  { name: "sums of all, of rows and of columns", inputs: [f32(260, 50)], run: ([x]) => [x.sum(), x.sum(0), x.sum(1)] },
  { name: "largest numbers", inputs: [f32(260, 50)], run: ([x]) => [x.amax(), x.amax(0), x.amax(1)] },
  { name: "sums of the middle", inputs: [f32(60, 20, 16)], run: ([x]) => [x.sum(1), x.mean([0, 2])], gradients: [0] },
  {
    name: "slices",
    inputs: [f32(1300, 7)],
    run: ([x]) => [x.slice([37, 1260]), x.slice(null, [2, 5]), x.slice([3, 1280, 3]), x.slice([1290, 1299])],
    gradients: [0],
  },
  {
    name: "joined tensors",
    inputs: [f32(930, 5), f32(67, 5), f32(1, 5)],
    run: ([x, y, z]) => [cat([x, y, z], { dim: 0 }), cat([x, x], { dim: 1 }), cat([y, z], { dim: 0 })],
    gradients: [0, 1],
  },
  { name: "moved dimensions", inputs: [f32(240, 6, 5)], run: ([x]) => x.permute([0, 2, 1]), gradients: [0] },
  {
    name: "softmax",
    inputs: [f32(290, 33)],
    run: ([x]) => [softmax(x, { dim: -1 }), x.logSoftmax(1)],
    gradients: [0],
  },
  {
    name: "sums so far, and the largest of rows",
    inputs: [f32(290, 33)],
    run: ([x]) => [x.cumsum(1), x.amax(1), x.argmax(1), ...topk(x, 3, { dim: 1 })],
  },
  {
    name: "norms",
    inputs: [f32(90, 2, 36), f32(36), f32(36)],
    run: ([x, w, b]) => [layerNorm(x, w, b, { eps: 1e-5 }), rmsNorm(x, w, { eps: 1e-5 })],
    gradients: [0],
  },
  {
    name: "an embedding table",
    inputs: [f32(900, 9), ids(900, 4, 11)],
    run: ([w, at]) => embedding(w, at),
    gradients: [0],
  },
  {
    name: "an embedding table of f16",
    inputs: [stored("f16", 1300, 10), ids(1300, 4, 11)],
    run: ([w, at]) => embedding(w, at).to("f32"),
  },
  {
    name: "an embedding table of q8_0",
    inputs: [stored("q8_0", 900, 32), ids(900, 7)],
    run: ([w, at]) => embedding(w, at),
  },
  ...[1, 3, 240].flatMap((m): LargeCase[] => [
    {
      name: `a product of ${m} rows`,
      inputs: [f32(m, 24), f32(24, 190)],
      run: ([x, w]) => matmul(x, w),
      gradients: [0, 1],
    },
    {
      name: `a product of ${m} rows, transposed`,
      inputs: [f32(m, 20), f32(350, 20)],
      run: ([x, w]) => matmul(x, w, { transposeB: true }),
      gradients: [0, 1],
    },
    {
      name: `a product of ${m} rows of odd widths`,
      inputs: [f32(m, 19), f32(361, 19)],
      run: ([x, w]) => matmul(x, w, { transposeB: true }),
      gradients: [0, 1],
    },
    ...["f16", "q4_1"].map(
      (store): LargeCase => ({
        name: `a product of ${m} rows with ${store}`,
        inputs: [f32(m, 32), stored(store, 850, 32)],
        run: ([x, w]) => matmul(x, w, { transposeB: true }),
        gradients: [0],
      }),
    ),
  ]),
  {
    name: "a batch of products",
    inputs: [f32(3, 2, 100, 12), f32(2, 12, 60)],
    run: ([x, w]) => matmul(x, w),
    gradients: [0, 1],
  },
  {
    name: "a product with many terms",
    inputs: [f32(2700, 3), f32(2700, 5)],
    run: ([x, w]) => matmul(x, w, { transposeA: true }),
    gradients: [0, 1],
  },
  {
    name: "a layer with low-rank factors",
    inputs: [f32(230, 20), f32(244, 20), f32(4, 20), f32(244, 4)],
    run: ([x, w, a, b]) => loraLinear(x, w, a, b, { scaling: 2 }),
    gradients: [0, 1, 2, 3],
  },
  ...(["mean", "sum"] as const).map(
    (reduction): LargeCase => ({
      name: `the ${reduction} loss of a large head`,
      inputs: [f32(250, 20), f32(290, 20), ids(290, 250)],
      run: ([x, w, labels]) => linearCrossEntropy(x, w, labels, { reduction, ignoreIndex: 3 }),
      gradients: [0, 1],
    }),
  ),
  ...(["mean", "sum", "none"] as const).map(
    (reduction): LargeCase => ({
      name: `crossEntropy, ${reduction}`,
      inputs: [f32(450, 13), ids(13, 450)],
      run: ([x, labels]) => crossEntropy(x, labels, { reduction, ignoreIndex: 2 }),
      gradients: [0],
    }),
  ),
  {
    name: "attention",
    inputs: [f32(50, 8, 2, 8), f32(50, 12, 1, 8), f32(50, 12, 1, 8)],
    run: ([q, k, v]) => attention(q, k, v, { causal: true }),
    gradients: [0, 1, 2],
  },
  {
    name: "dropout",
    inputs: [f32(9000)],
    run: ([x]) => dropout(x, { p: 0.3, generator: new Generator(3) }),
    gradients: [0],
  },
  { name: "filled tensors", inputs: [f32(1)], run: ([x]) => full([13000], 2.5, { backend: x.storage.backend }) },
  {
    name: "steps in place",
    inputs: [f32(7000), f32(7000), f32(7000), { shape: [7000], low: 0, high: 1 }],
    run: ([p, grad, m, v]) => {
      const settings = { lr: 0.1, weightDecay: 0.1 };
      const adam = { ...settings, beta1: 0.9, beta2: 0.99, eps: 1e-8, step: 2, decoupled: true };
      const sgd = { ...settings, momentum: 0.9, dampening: 0, nesterov: true, first: false };
      const norm = gradNorm(grad, m);
      noGrad(() => {
        adamStep(p, grad, m, v, adam);
        sgdStep(p, grad, m, sgd);
        clipToNorm(grad, norm, { maxNorm: 0.1 });
        copyInto(v, grad);
      });
      return [...[p, grad, m, v].map((t) => t.add(0)), norm];
    },
  },
];

describe.skipIf(noWebGpu)("tensors that are larger than a kernel can see", () => {
  let device: GPUDevice;
  let narrow: WebGpuBackend;
  beforeAll(async () => {
    ({ device } = await openDevice({}));
    narrow = await webgpu({ device: narrowDevice(device, most) });
    await prepareStored(narrow);
  });
  afterAll(() => device?.destroy());

  const outcome = async ({ inputs, run, gradients: wanted = [] }: LargeCase, backend: Backend) => {
    const generator = new Generator(4);
    const tensors = scope(() => {
      const given = inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
      for (const i of wanted) given[i].requiresGrad = true;
      const results = [run(given)].flat();
      const losses = results.filter((y) => y.requiresGrad).map((y) => y.mul(y).sum());
      const slopes =
        wanted.length > 0
          ? gradients(
              losses.reduce((a, b) => a.add(b)),
              wanted.map((i) => given[i]),
            )
          : [];
      return [...results, ...slopes];
    });
    return Promise.all(tensors.map(async (t) => ({ shape: t.shape, data: await t.data() })));
  };

  for (const one of cases) {
    it(`${one.name}`, async () => {
      const expected = await outcome(one, reference());
      const actual = await outcome(one, narrow);
      for (const [i, e] of expected.entries()) expectClose(`result ${i}`, actual[i], e, 2e-5);
    });
  }

  it("are refused by ops that cannot be cut, with sizes and the fix, and nothing is done", async () => {
    const w = full([600, 64], 0.5, { backend: narrow });
    expect(() => quantize4bit(w, {})).toThrow(
      /^webgpu: quantize4bit: nf4 \[600,64\] of \d+ bytes is larger than a kernel's binding on this device \(16384 bytes\), and this op cannot cut it; give it smaller tensors, or a device with a higher maxStorageBufferBindingSize$/,
    );
    const cache = full([2, 3000, 1, 1], 1, { backend: narrow });
    expect(() => noGrad(() => cacheWrite(cache, full([2, 1, 1, 1], 5, { backend: narrow }), { position: 0 }))).toThrow(
      "webgpu: cacheWrite: f32 [2,3000,1,1] of 24000 bytes",
    );
    expect(await cache.sum().item()).toBe(6000);
  });
});
