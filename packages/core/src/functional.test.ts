import { beforeAll, describe, expect, it } from "vitest";
import type { Tensor } from "./index.ts";
import * as core from "./index.ts";

beforeAll(async () => {
  await core.init(core.reference());
});

const { tensor } = core;
const numbers = (t: Tensor) => Array.from(t.dataSync());
const slope = (f: (x: Tensor) => Tensor, values: number[], shape = [values.length]) => {
  const x = tensor(new Float32Array(values), { shape, requiresGrad: true });
  return numbers(core.gradients(core.sum(f(x)), [x])[0]);
};

describe("gradients at kinks and ties are PyTorch's", () => {
  it.each([
    ["relu", core.relu, [-1, 0, 2], [0, 0, 1]],
    ["abs", core.abs, [-1, 0, 2], [-1, 0, 1]],
    ["clamp at its bounds", (x: Tensor) => core.clamp(x, { min: -1, max: 1 }), [-2, -1, 0, 1, 2], [0, 0, 1, 0, 0]],
    ["maximum of equals", (x: Tensor) => core.maximum(x, 1), [0, 1, 2], [0, 0.5, 1]],
    ["minimum of equals", (x: Tensor) => core.minimum(x, 1), [0, 1, 2], [1, 0.5, 0]],
    ["max along a dim picks the first of equals", (x: Tensor) => core.max(x, { dim: 0 }), [1, 3, 3], [0, 1, 0]],
    ["max of all shares among equals", core.max, [1, 3, 3], [0, 0.5, 0.5]],
    ["min of all shares among equals", core.min, [1, 3, 1], [0.5, 0, 0.5]],
    ["amax shares among equals", (x: Tensor) => core.amax(x, { dim: 0 }), [3, 3, 1, 3], [1 / 3, 1 / 3, 0, 1 / 3]],
    ["pow with exponent 0 at 0", (x: Tensor) => core.pow(x, 0), [0, 2], [0, 0]],
    ["prod with a zero", core.prod, [2, 0, 3], [0, 6, 0]],
    ["prod with two zeros", core.prod, [0, 0, 3], [0, 0, 0]],
  ] as const)("%s", (_name, f, x, expected) => {
    expect(slope(f as (x: Tensor) => Tensor, [...x])).toEqual(expected.map(Math.fround));
  });

  it("pow by an exponent that wants a gradient is 0 where the base is 0", () => {
    const y = tensor([2, 0.5], { requiresGrad: true });
    const [dy] = core.gradients(core.sum(core.pow(tensor([0, 1]), y)), [y]);
    expect(numbers(dy)).toEqual([0, 0]);
  });
});

describe("special numbers", () => {
  it("max, min and topk put NaN first", () => {
    const x = tensor([1, Number.NaN, 3]);
    expect(numbers(core.max(x))).toEqual([Number.NaN]);
    expect(numbers(core.min(x))).toEqual([Number.NaN]);
    expect(numbers(core.argmax(x))).toEqual([1]);
    expect(numbers(core.topk(x, 2)[1])).toEqual([1, 2]);
  });

  it("logsumexp of infinities is infinite, not NaN", () => {
    const x = tensor([
      [-Infinity, -Infinity],
      [Infinity, 1],
    ]);
    expect(numbers(core.logsumexp(x, { dim: 1 }))).toEqual([-Infinity, Infinity]);
  });

  it("means and products of nothing are NaN and 1", () => {
    const none = core.zeros([0]);
    expect(numbers(core.mean(none))).toEqual([Number.NaN]);
    expect(numbers(core.prod(none))).toEqual([1]);
    expect(numbers(core.sum(none))).toEqual([0]);
  });
});

describe("functions", () => {
  it("matmul follows PyTorch's rules for vectors", () => {
    const v = core.ones([3]);
    const m = core.ones([2, 3, 4]);
    expect(core.matmul(v, v).shape).toEqual([]);
    expect(core.matmul(v, m).shape).toEqual([2, 4]);
    expect(core.matmul(core.ones([2, 4, 3]), v).shape).toEqual([2, 4]);
    expect(core.matmul(m, v, { transposeA: true }).shape).toEqual([2, 4]);
  });

  it("split gives a list for one piece too", () => {
    expect(core.split(core.ones([4, 2]), 4).map(({ shape }) => shape)).toEqual([[4, 2]]);
    expect(core.split(core.ones([5]), 2).map(({ shape }) => shape)).toEqual([[2], [2], [1]]);
  });

  it("indices carry no gradient", () => {
    const x = tensor([3, 1, 2], { requiresGrad: true });
    const [values, positions] = core.topk(x, 2);
    expect([values.requiresGrad, positions.requiresGrad]).toEqual([true, false]);
  });

  it("methods chain", () => {
    const x = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { requiresGrad: true },
    );
    x.mul(2).add(1).transpose(0, 1).matmul(x.detach()).mean({ dim: 0 }).sum().backward();
    expect(numbers(x.grad as Tensor)).toEqual([3, 3, 7, 7]);
    expect(x.to("f32")).toBe(x);
    expect(x.to("bf16").dtype).toBe("bf16");
  });
});

describe("misuse is named with the fix", () => {
  it.each([
    ["add", () => core.add(core.ones([2, 3]), core.ones([4])), /add: cannot broadcast \[2,3\] with \[4\]/],
    ["i32 arithmetic", () => core.mul(core.arange(0, 3), core.ones([3])), /mul: input 0 \[3\] is i32, expected f32/],
    [
      "half",
      () => core.exp(core.ones([2], { dtype: "bf16" })),
      /exp: .* bf16, expected f32; cast it with t\.to\('f32'\)/,
    ],
    ["sum", () => core.sum(core.ones([2]), { dim: 2 }), /sum: dim 2 is out of range for 1 dimensions; use -1\.\.0/],
    ["cat", () => core.cat([core.ones([2, 3]), core.ones([3, 2])]), /cat: input 1 \[3,2\] must equal \[2,3\]/],
    ["no cat", () => core.cat([]), /cat: it takes a list of at least one tensor/],
    ["split", () => core.split(core.ones([5]), [2, 2]), /split: sizes \[2,2\] add up to 4, but dim 0 of \[5\] is 5/],
    ["permute", () => core.permute(core.ones([2, 3]), [0, 0]), /permute: dims \[0,0\] must name each dimension/],
    ["slice", () => core.slice(core.ones([3]), { step: 0 }), /slice: step 0 must be an integer of at least 1/],
    [
      "gather",
      () => core.gather(core.ones([2, 2]), tensor(new Int32Array([2, 0]), { shape: [2, 1] }), { dim: 1 }),
      /gather: index 2 is out of range for 2 entries; use 0\.\.1/,
    ],
    [
      "indexSelect",
      () => core.indexSelect(core.ones([2]), tensor(new Int32Array([-1])), { dim: 0 }),
      /index -1 is out of range/,
    ],
    ["topk", () => core.topk(core.ones([2]), 3), /topk: k 3 is out of range for dim 0 of \[2\]; use 0\.\.2/],
    ["solve", () => core.solve(core.ones([2, 3]), core.ones([2, 1])), /solve: A \[2,3\] \[\.\.\.,n,n\] and B \[2,1\]/],
    ["singular", () => core.solve(core.ones([2, 2]), core.ones([2, 1])), /solve: matrix 0 of A \[2,2\] is singular/],
    ["max", () => core.max(core.zeros([0])), /amax: \[0\] is empty and has no amax/],
    ["max along", () => core.max(core.zeros([0]), { dim: 0 }), /max: dim 0 of \[0\] is empty/],
    [
      "mseLoss",
      () => core.mseLoss(core.ones([2]), core.ones([2, 1])),
      /mseLoss: input \[2\] and target \[2,1\] differ in shape/,
    ],
    ["squeeze", () => core.squeeze(core.ones([2]), { dim: 0 }), /squeeze: dim 0 of \[2\] is 2, not 1/],
  ] as const)("%s", (_name, call, message) => {
    expect(call).toThrow(message);
  });
});
