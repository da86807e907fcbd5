import {
  attention,
  cat,
  copyInto,
  crossEntropy,
  dropout,
  embedding,
  full,
  Generator,
  layerNorm,
  linearCrossEntropy,
  matmul,
  noGrad,
  rmsNorm,
  silu,
  softmax,
  topk,
} from "@lowrank/core";
import { adamStep, clipToNorm, gradNorm, loraLinear, sgdStep } from "@lowrank/core/internal";
import { type Input, storedWeights } from "@lowrank/core/testing";
import type { FusedCase } from "./fusedCases.ts";

/** The most bytes of a buffer that kernels of a narrow device can bind: 4096 elements. */
export const most = 16384;

const f32 = (...shape: number[]): Input => ({ shape });
const ids = (high: number, ...shape: number[]): Input => ({ shape, dtype: "i32", low: 0, high });
const stored = (store: keyof typeof storedWeights, ...shape: number[]): Input => ({
  shape,
  store: storedWeights[store],
});
/** Calls with tensors that a device whose kernels bind `most` bytes must cut. */
export const largeCases: readonly FusedCase[] = [
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
  ...[1, 3, 240].flatMap((m): FusedCase[] => [
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
      (store): FusedCase => ({
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
    (reduction): FusedCase => ({
      name: `the ${reduction} loss of a large head`,
      inputs: [f32(250, 20), f32(290, 20), ids(290, 250)],
      run: ([x, w, labels]) => linearCrossEntropy(x, w, labels, { reduction, ignoreIndex: 3 }),
      gradients: [0, 1],
    }),
  ),
  ...(["mean", "sum", "none"] as const).map(
    (reduction): FusedCase => ({
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
