import {
  type Backend,
  crossEntropy,
  gradients,
  init,
  logSoftmax,
  logsumexp,
  mul,
  reference,
  sum,
  type Tensor,
  tensor,
  variance,
} from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

const backends: Record<string, () => Backend | Promise<Backend>> = { reference, wasm: () => wasm() };
const numbers = (t: Tensor) => Array.from(t.dataSync());

const small = [0, 1, -2, 3, 0.5, -0.25, 2];
/** The sum of 1e6 and a small value is exact: all are multiples of 1/4, and f32 has steps of 1/16 there. */
const offset = 1e6;

describe.each(Object.entries(backends))("under an offset of 1e6, on %s", (_name, make) => {
  beforeAll(async () => {
    await init(make());
  });

  /** Returns the values of `f` and its gradients, for the small values and for the shifted ones. */
  function both(f: (x: Tensor) => Tensor): [plain: number[], shifted: number[], size: number] {
    const results = [0, offset].map((shift) => {
      const x = tensor([small.map((v) => v + shift)], { requiresGrad: true });
      const y = f(x);
      const weights = tensor(
        Float32Array.from({ length: y.size }, (_, i) => 1 + i),
        { shape: y.shape },
      );
      return [...numbers(y), ...numbers(gradients(sum(mul(y, weights)), [x])[0])];
    });
    return [results[0], results[1], small.length];
  }

  const labels = () => tensor([3], { dtype: "i32" });

  it.each<[string, (x: Tensor) => Tensor]>([
    ["logSoftmax along the last dimension", (x) => logSoftmax(x, { dim: -1 })],
    ["logSoftmax along another", (x) => logSoftmax(x.transpose(0, 1), { dim: 0 })],
    ["crossEntropy", (x) => crossEntropy(x, labels())],
    ["crossEntropy, smoothed", (x) => crossEntropy(x, labels(), { labelSmoothing: 0.1 })],
    ["crossEntropy, row by row", (x) => crossEntropy(x, labels(), { reduction: "none" })],
  ])("%s is what it is without", (_what, f) => {
    const [plain, shifted] = both(f);
    for (const [i, value] of shifted.entries()) expect(value).toBeCloseTo(plain[i], 6);
  });

  it("logsumexp is rounded once, and its gradient is that without", () => {
    const [plain, shifted] = both((x) => logsumexp(x, { dim: -1 }));
    expect(shifted[0]).toBe(Math.fround(offset + Math.log(small.reduce((total, v) => total + Math.exp(v), 0))));
    for (let i = 1; i < plain.length; i++) expect(shifted[i]).toBeCloseTo(plain[i], 6);
  });
});

it.each(Object.entries(backends))(
  "variance keeps its digits at mean 1000 and deviation 1e-3, on %s",
  async (_n, make) => {
    await init(make());
    const values = Float32Array.from({ length: 1000 }, (_, i) => 1000 + 1e-3 * Math.sin(1.7 * i));
    const middle = values.reduce((total, v) => total + v, 0) / values.length;
    const expected = values.reduce((total, v) => total + (v - middle) ** 2, 0) / (values.length - 1);
    const x = tensor(values, { shape: [1, 1000], requiresGrad: true });
    for (const options of [{}, { dim: 1 }]) {
      const y = variance(x, options);
      expect(numbers(y)[0] / expected).toBeCloseTo(1, 5);
      const [dx] = gradients(sum(y), [x]);
      const slopes = Array.from(values, (v) => (2 * (v - middle)) / (values.length - 1));
      for (const [i, slope] of numbers(dx).entries()) expect(slope).toBeCloseTo(slopes[i], 9);
    }
  },
);
