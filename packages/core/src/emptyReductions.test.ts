import { beforeAll, describe, expect, it } from "vitest";
import type { Tensor } from "./index.ts";
import * as core from "./index.ts";

beforeAll(async () => {
  await core.init(core.reference());
});

const { gradients, mean, mul, ones, sum, variance, zeros } = core;
const numbers = (t: Tensor) => Array.from(t.dataSync());

describe("a reduction of nothing is PyTorch's", () => {
  it.each<[string, (x: Tensor, options?: object) => Tensor, number]>([
    ["sum", core.sum, 0],
    ["mean", core.mean, Number.NaN],
    ["prod", core.prod, 1],
    ["variance", core.variance, Number.NaN],
    ["std", core.std, Number.NaN],
    ["logsumexp", core.logsumexp, -Infinity],
  ])("%s", (_name, f, expected) => {
    expect(numbers(f(zeros([0])))).toEqual([expected]);
    expect(numbers(f(zeros([0, 3]), { dim: 0 }))).toEqual([expected, expected, expected]);
    expect(f(zeros([0, 3]), { dim: 1 }).shape).toEqual([0]);
    expect(f(zeros([2, 0]), { dim: 1, keepdim: true }).shape).toEqual([2, 1]);
  });

  const { max, min, argmax, argmin, amax, amin } = core;
  it.each(Object.entries({ max, min, argmax, argmin, amax, amin }))("%s has none", (_name, f) => {
    expect(() => f(zeros([0]))).toThrow(/is empty and has no/);
    expect(() => f(zeros([0, 3]), { dim: 0 })).toThrow(/is empty and has no/);
    expect(f(zeros([0, 3]), { dim: 1 }).shape).toEqual([0]);
  });

  it("gradients of its gradients are zeros, not NaN", () => {
    for (const f of [mean, variance, core.logsumexp]) {
      const [x, w] = [zeros([0, 3], { requiresGrad: true }), ones([3], { requiresGrad: true })];
      const [dx] = gradients(f(mul(x, x), { dim: 0 }), [x], { gradient: w, createGraph: true });
      expect(dx.shape).toEqual([0, 3]);
      expect(numbers(gradients(sum(dx), [w])[0])).toEqual([0, 0, 0]);
    }
  });
});

describe("what a mean of nothing depends on", () => {
  it("has PyTorch's gradients: zero, NaN by a factor of the NaN, and zeros of these", () => {
    const [x, w] = [zeros([0], { requiresGrad: true }), ones([], { requiresGrad: true })];
    expect(numbers(gradients(mean(mul(x, w)), [w])[0])).toEqual([0]);
    const [dw] = gradients(mul(mean(mul(x, w)), w), [w], { createGraph: true });
    expect(numbers(dw)).toEqual([Number.NaN]);
    const [second, dx] = gradients(dw, [w, x]);
    expect([numbers(second), dx.shape]).toEqual([[0], [0]]);
    const y = mean(x);
    expect(numbers(gradients(mul(y, y), [x], { createGraph: true })[0])).toEqual([]);
  });
});

describe("chunk", () => {
  it("gives as many empty pieces as are asked for of a dimension of size 0, else as many as there are", () => {
    expect(core.chunk(zeros([0]), 6).map(({ shape }) => shape)).toEqual(new Array(6).fill([0]));
    expect(core.chunk(zeros([2, 0]), 3, { dim: 1 }).map(({ shape }) => shape)).toEqual(new Array(3).fill([2, 0]));
    expect(core.chunk(zeros([4]), 6)).toHaveLength(4);
    expect(() => core.chunk(zeros([4]), 0)).toThrow("chunk: count 0 must be an integer of at least 1");
  });
});
