import type { Tensor } from "../engine/tensor.ts";
import * as f from "../functional/index.ts";
import { dynamicMap } from "../packed/blockwise/eightBit.ts";
import { Generator } from "../random/random.ts";
import { binaryCases, type Cases, calls, index, type OpCase, unaryCases, withGradients, x } from "./cases.ts";
import { inPlaceCases } from "./inPlaceCases.ts";
import type { Input } from "./input.ts";
import { modelCases } from "./modelCases.ts";
import { weightCases } from "./weightCases.ts";
import { windowCases } from "./windowCases.ts";

type Functions = typeof f;

/** The names of all public functions that take a tensor. */
export type FunctionName = Exclude<
  { [K in keyof Functions]: Functions[K] extends (...args: never[]) => unknown ? K : never }[keyof Functions],
  "ropeTables"
>;

const positive = { low: 0.3, high: 3 };
const kink = { kink: 0 };
const a = x([2, 5, 8]);
const distinct = x([3, 4, 5], { distinctFrom: -3 });
const ints: Input = { shape: [3, 7], dtype: "i32", high: 9 };
const bools: Input = { shape: [3, 7], dtype: "bool" };
const dynamicCode = x([256], { values: Array.from(dynamicMap()) });
const same = [x([5, 7]), x([5, 7])];

const compareCases = (relation: (x: Tensor, y: Tensor | number) => Tensor): OpCase[] => [
  ...binaryCases(relation, {}, {}, []),
  ...calls([ints, ints], (m, n) => relation(m, n)),
  ...calls([ints], (m) => relation(m, 4)),
];

const reductionCases = (
  reduce: (x: Tensor, options?: f.ReduceOptions) => Tensor,
  options: Omit<Input, "shape"> = {},
): OpCase[] => [
  ...calls(
    [x([2, 5, 8], options)],
    (t) => reduce(t),
    (t) => reduce(t, { dim: [0, -1], keepdim: true }),
    (t) => reduce(t, { dim: 2 }),
  ),
  ...calls(
    [x([3, 40], options)],
    (t) => reduce(t, { dim: 0 }),
    (t) => reduce(t, { dim: 1 }),
  ),
  ...calls(
    [x([2, 3, 2, 5], options)],
    (t) => reduce(t, { dim: [0, 2] }),
    (t) => reduce(t, { dim: [1, 3] }),
  ),
  ...calls([x([], options)], (t) => reduce(t)),
];

/** Cases of a reduction to extrema: of distinct values, so that no two are equal, and of special values. */
const extremaCases = (reduce: (x: Tensor, options?: f.ReduceOptions) => Tensor): OpCase[] => [
  ...reductionCases(reduce, { distinctFrom: -4 }),
  ...[0, 1]
    .flatMap((dim) =>
      calls(
        [x([2, 9], { values: [1, 3, 3, 1, 2, Number.NaN, 5, -1, 0, 7, -0, 0, 0, 8, -9, 9, Infinity, -Infinity] })],
        (t) => reduce(t, { dim }),
      ),
    )
    .map((c) => ({ ...c, gradients: [] })),
];

const alongCases = (pick: (x: Tensor, options?: f.AlongOptions) => Tensor): OpCase[] => [
  ...calls(
    [distinct],
    (t) => pick(t),
    (t) => pick(t, { dim: 1 }),
    (t) => pick(t, { dim: -1, keepdim: true }),
  ),
  ...calls([x([2, 19], { distinctFrom: -1 })], (t) => pick(t, { dim: 1 })),
  {
    ...calls([x([2, 4], { values: [1, 3, 3, 1, 2, Number.NaN, 5, -1] })], (t) => pick(t, { dim: 1 }))[0],
    gradients: [],
  },
];

/** Logits with equal values, and with rows from which no token can be sampled. */
const logits = x([4, 5], {
  values: [1, 3, 3, -Infinity, 2, 0, Number.NaN, 9, 1, 2, -1, Infinity, 4, 0, 1, -Infinity, -4, -2, -8, -Infinity],
});

/** Test cases of every public function. It does not compile if a function has no entry. */
export const opCases: Cases<FunctionName> = {
  ...inPlaceCases,
  ...modelCases,
  ...windowCases,
  abs: unaryCases(f.abs, kink),
  add: [...binaryCases(f.add), ...calls([a], (t) => f.add(t, 3))],
  affine: [
    ...unaryCases((t) => f.affine(t, { scale: -1.5, shift: 0.25 })),
    ...unaryCases((t) => f.affine(t, { scale: 3 })),
  ],
  amax: extremaCases(f.amax),
  amin: extremaCases(f.amin),
  argmax: withGradients([], alongCases(f.argmax)),
  argmaxTokens: withGradients([], calls([logits], f.argmaxTokens)),
  argmin: withGradients([], alongCases(f.argmin)),
  at: [
    ...calls(
      [a],
      (t) => f.at(t, 1),
      (t) => f.at(t, -1, 2, 3),
    ),
    ...calls([ints], (t) => f.at(t, 1, -1)),
  ],
  binaryCrossEntropyWithLogits: calls([x([5, 7]), x([5, 7], { low: 0, high: 1 })], (s, t) =>
    f.binaryCrossEntropyWithLogits(s, t),
  ),
  cat: [
    ...calls([x([2, 3, 4]), x([2, 5, 4]), x([2, 0, 4])], (...t) => f.cat(t, { dim: 1 })),
    ...calls([x([2, 300]), x([2, 7])], (...t) => f.cat(t, { dim: -1 })),
    ...calls([bools, bools], (...t) => f.cat(t)),
  ],
  chunk: calls([x([7, 3])], (t) => f.chunk(t, 3)),
  clamp: unaryCases((t) => f.clamp(t, { min: -0.75, max: 0.8 }), { low: -0.6, high: 0.7 }),
  clone: [...unaryCases(f.clone), ...calls([bools], f.clone), ...calls([ints], f.clone)],
  compare: calls([x([3, 7]), x([7])], (s, t) => f.compare(s, t, { relation: "le" })).map((c) => ({
    ...c,
    gradients: [],
  })),
  cos: unaryCases(f.cos),
  cumsum: calls(
    [a],
    (t) => f.cumsum(t, { dim: 1 }),
    (t) => f.cumsum(t, { dim: -1 }),
  ),
  dequantizeBlockwise: withGradients(
    [],
    calls([{ shape: [3, 50], dtype: "u8", high: 256 }, x([5]), dynamicCode], (q, absmax, code) =>
      f.dequantizeBlockwise(q, absmax, code, { blockSize: 32 }),
    ),
  ),
  div: [...binaryCases(f.div, {}, positive), ...calls([a], (t) => f.div(t, 3))],
  einsum: [
    ...calls([x([2, 3, 5, 4]), x([2, 3, 6, 4])], (s, t) => f.einsum("bhqd,bhkd->bhqk", s, t)),
    ...calls(
      [x([3, 4, 2]), x([4, 5])],
      (s, t) => f.einsum("ijk,jl->lki", s, t),
      (s, t) => f.einsum("ijk,jl->il", s, t),
    ),
    ...calls(
      [x([3]), x([4])],
      (s, t) => f.einsum("i,j->ji", s, t),
      (s, t) => f.einsum("i,j->", s, t),
    ),
    ...calls([x([3, 4, 4])], (t) => f.einsum("bii->ib", t)),
    ...calls([x([2, 3, 4]), x([3, 5]), x([5, 4])], (s, t, u) => f.einsum("aij,ik,kj->aj", s, t, u)),
    ...calls([x([2, 3, 4]), x([1, 4, 5])], (s, t) => f.einsum("...ij,...jk", s, t)),
  ],
  eq: compareCases(f.eq),
  erf: unaryCases(f.erf, { low: -3, high: 3 }),
  exp: unaryCases(f.exp),
  expand: [
    ...calls(
      [x([4, 1, 3])],
      (t) => f.expand(t, [2, 4, 5, 3]),
      (t) => f.expand(t, [-1, 5, -1]),
    ),
    ...calls([x([1, 33])], (t) => f.expand(t, [3, 33])),
    ...calls([{ shape: [3, 1], dtype: "i32" }], (t) => f.expand(t, [3, 4])),
  ],
  expm1: unaryCases(f.expm1),
  flatten: calls(
    [a],
    (t) => f.flatten(t),
    (t) => f.flatten(t, { startDim: 1 }),
  ),
  flip: [
    ...calls(
      [a],
      (t) => f.flip(t, [1]),
      (t) => f.flip(t, [0, -1]),
    ),
    ...calls([ints], (t) => f.flip(t, [0])),
  ],
  gather: [
    ...calls([x([2, 5, 8]), index([2, 3, 8], 5)], (t, i) => f.gather(t, i, { dim: 1 })),
    ...calls([x([4, 9]), index([4, 2], 9)], (t, i) => f.gather(t, i, { dim: -1 })),
  ],
  ge: compareCases(f.ge),
  gelu: unaryCases(f.gelu, { low: -4, high: 4 }),
  geluBackward: binarySameShape(f.geluBackward),
  geluTanh: unaryCases(f.geluTanh, { low: -4, high: 4 }),
  geluTanhBackward: binarySameShape(f.geluTanhBackward),
  gt: compareCases(f.gt),
  indexAdd: calls([a, index([4], 5), x([2, 4, 8])], (t, i, s) => f.indexAdd(t, i, s, { dim: 1 })),
  inRange: [
    ...calls([x([3, 7])], (t) => f.inRange(t, { low: -2, error: () => new Error("below -2") })),
    ...calls([ints], (t) => f.inRange(t, { low: 1, high: 8, except: 0, error: () => new Error("not in 0..8") })),
  ],
  indexSelect: [
    ...calls([a, index([4], 5)], (t, i) => f.indexSelect(t, i, { dim: 1 })),
    ...calls([a, index([9], 8)], (t, i) => f.indexSelect(t, i, { dim: -1 })),
    ...calls([bools, index([2], 3)], (t, i) => f.indexSelect(t, i, { dim: 0 })),
  ],
  klDiv: [
    ...calls(
      [x([5, 7]), x([5, 7], { low: 0.2, high: 1 })],
      (s, t) => f.klDiv(s, t),
      (s, t) => f.klDiv(s, t, { reduction: "batchmean" }),
    ),
    ...calls(same, (s, t) => f.klDiv(s, t, { logTarget: true, reduction: "sum" })),
  ],
  l1Loss: calls([x([5, 7], { low: 1, high: 2 }), x([5, 7], { low: -2, high: 0.5 })], (s, t) => f.l1Loss(s, t)),
  le: compareCases(f.le),
  linear: [
    ...calls(
      [x([3, 5, 24]), x([17, 24]), x([17])],
      (t, w, b) => f.linear(t, w, b),
      (t, w) => f.linear(t, w),
    ),
    ...calls([x([24]), x([24, 17])], (t, w) => f.linear(t, w, null, { fanInFanOut: true })),
    ...calls([x([3, 24]), { shape: [17, 24], dtype: "bf16" }], (t, w) => f.linear(t, w)),
    ...weightCases([x([9, 64]), x([19, 64])], 1, (t, w) => f.linear(t, w)),
    ...weightCases([x([6, 512]), x([11, 512])], 1, (t, w) => f.linear(t, w)),
    ...weightCases([x([1, 256]), x([9, 256])], 1, (t, w) => f.linear(t, w)),
    ...weightCases([x([6, 13]), x([13, 256])], 1, (t, w) => f.linear(t, w, null, { fanInFanOut: true })),
    ...weightCases([x([2, 7, 37]), x([37, 70])], 1, (t, w) => f.linear(t, w, null, { fanInFanOut: true })),
  ],
  log: unaryCases(f.log, positive),
  log1p: unaryCases(f.log1p, { low: -0.6, high: 2 }),
  logsumexp: [
    ...reductionCases(f.logsumexp),
    {
      ...calls([x([3, 2], { values: [-Infinity, -Infinity, Infinity, 1, 1000, 1000] })], (t) =>
        f.logsumexp(t, { dim: 1 }),
      )[0],
      gradients: [],
    },
  ],
  lt: compareCases(f.lt),
  matmul: [
    ...[1, 4, 33].flatMap((m) =>
      weightCases([x([m, 96]), x([23, 96])], 1, (s, w) => f.matmul(s, w, { transposeB: true })),
    ),
    ...weightCases([x([5, 31]), x([18, 31])], 1, (s, w) => f.matmul(s, w, { transposeB: true })),
    ...calls([x([6, 24]), x([24, 17])], (s, t) => f.matmul(s, t)),
    ...calls([x([24, 6]), x([17, 24])], (s, t) => f.matmul(s, t, { transposeA: true, transposeB: true })),
    ...calls([x([3, 1, 6, 5]), x([2, 5, 7])], (s, t) => f.matmul(s, t)),
    ...calls([x([2, 3, 6, 5]), x([5, 7])], (s, t) => f.matmul(s, t)),
    ...calls([x([5]), x([2, 5, 7])], (s, t) => f.matmul(s, t)),
    ...calls([x([2, 6, 5]), x([5])], (s, t) => f.matmul(s, t)),
    ...calls([x([5]), x([5])], (s, t) => f.matmul(s, t)),
    ...calls([x([3, 0]), x([0, 4])], (s, t) => f.matmul(s, t)),
  ],
  max: alongCases(f.max),
  maximum: binaryCases(f.maximum, { low: 1, high: 2 }, { low: -2, high: 0.5 }),
  mean: reductionCases(f.mean),
  min: alongCases(f.min),
  minimum: binaryCases(f.minimum, { low: 1, high: 2 }, { low: -2, high: 0.5 }),
  mseLoss: calls(
    same,
    (s, t) => f.mseLoss(s, t),
    (s, t) => f.mseLoss(s, t, { reduction: "sum" }),
    (s, t) => f.mseLoss(s, t, { reduction: "none" }),
  ),
  mul: [...binaryCases(f.mul), ...calls([a], (t) => f.mul(t, -3))],
  ne: compareCases(f.ne),
  neg: unaryCases(f.neg),
  pad: calls(
    [x([4, 5])],
    (t) => f.pad(t, [1, 2, 0, 3], { value: 0.5 }),
    (t) => f.pad(t, [-1, 2]),
    (t) => f.pad(t, [0, -2, 1, 0]),
  ),
  permute: [
    ...calls(
      [a],
      (t) => f.permute(t, [2, 0, 1]),
      (t) => f.permute(t, [1, 0, 2]),
    ),
    ...calls(
      [x([2, 5, 3, 8])],
      (t) => f.permute(t, [0, 2, 1, 3]),
      (t) => f.permute(t, [3, 1, 2, 0]),
      (t) => f.permute(t, [0, 2, 3, 1]),
    ),
    ...calls([x([2, 3, 2, 2, 3])], (t) => f.permute(t, [4, 2, 0, 3, 1])),
    ...calls([x([13, 18])], (t) => f.permute(t, [1, 0])),
    ...calls([bools], (t) => f.permute(t, [1, 0])),
    ...calls([{ shape: [3, 4, 5], dtype: "bf16" }], (t) => f.permute(t, [2, 1, 0])),
    ...calls([x([])], (t) => f.permute(t, [])),
  ],
  place: calls(
    [x([2, 3, 4])],
    (t) => f.place(t, { dim: 1, size: 9, start: 1, step: 3, value: 0.5 }),
    (t) => f.place(t, { dim: -1, size: 6, start: 2 }),
  ),
  pow: [
    ...binaryCases(f.pow, positive),
    ...calls(
      [x([9], positive)],
      (t) => f.pow(t, 3),
      (t) => f.pow(t, 2),
      (t) => f.pow(t, 0.5),
      (t) => f.pow(t, -1),
    ),
  ],
  powScalar: calls(
    [x([9], positive)],
    (t) => f.powScalar(t, { exponent: 0 }),
    (t) => f.powScalar(t, { exponent: -0.5 }),
    (t) => f.powScalar(t, { exponent: 2.5 }),
  ),
  prod: calls(
    [x([2, 5, 3], { low: 0.5, high: 1.5 })],
    (t) => f.prod(t),
    (t) => f.prod(t, { dim: 1 }),
    (t) => f.prod(t, { dim: 2, keepdim: true }),
  ),
  quantize4bit: withGradients(
    [],
    [[1], [7, 33], [4, 64], [3, 5, 70]].flatMap((shape) =>
      calls(
        [x(shape)],
        (t) => f.to(f.quantize4bit(t, {}), { dtype: "f32" }),
        (t) => f.to(f.quantize4bit(t, { blockSize: 32, doubleQuant: true }), { dtype: "f32" }),
        (t) => f.to(f.quantize4bit(t, { quantType: "fp4", blockSize: 256, doubleQuant: true }), { dtype: "bf16" }),
      ),
    ),
  ),
  quantizeBlockwise: withGradients(
    [],
    calls([x([7, 43]), dynamicCode], (t, code) => f.quantizeBlockwise(t, code, { blockSize: 64 })),
  ),
  reciprocal: unaryCases(f.reciprocal, positive),
  relu: unaryCases(f.relu, kink),
  repeatInterleave: calls(
    [x([2, 3, 4])],
    (t) => f.repeatInterleave(t, 3, { dim: 1 }),
    (t) => f.repeatInterleave(t, 2),
  ),
  reshape: calls([a], (t) => f.reshape(t, [10, -1])),
  rsqrt: unaryCases(f.rsqrt, positive),
  sampleTokens: withGradients(
    [],
    [
      ...calls(
        [x([9, 40], { low: -4, high: 4 })],
        (t) => f.sampleTokens(t, { generator: new Generator(3) }),
        (t) => f.sampleTokens(t, { generator: new Generator(4), temperature: 0.7, topK: 12 }),
        (t) => f.sampleTokens(t, { generator: new Generator(5), topP: 0.8, minP: 0.05 }),
      ),
      ...calls([logits], (t) => f.sampleTokens(t, { generator: new Generator(6), topK: 2 })),
    ],
  ),
  scatterAdd: calls([a, index([2, 3, 8], 5), x([2, 3, 8])], (t, i, s) => f.scatterAdd(t, i, s, { dim: 1 })),
  sigmoid: unaryCases(f.sigmoid),
  sign: withGradients([], unaryCases(f.sign, kink)),
  silu: unaryCases(f.silu, { low: -6, high: 6 }),
  siluBackward: binarySameShape(f.siluBackward),
  sin: unaryCases(f.sin),
  select: [
    ...calls(
      [a],
      (t) => f.select(t, 1, 2),
      (t) => f.select(t, -1, -1),
    ),
    ...calls([bools], (t) => f.select(t, 0, 1)),
  ],
  slice: [
    ...calls(
      [a],
      (t) => f.slice(t, [1], null, [1, 7, 2]),
      (t) => f.slice(t, null),
    ),
    ...calls(
      [a],
      (t) => f.slice(t, { dim: 1, start: 1, end: -1, step: 2 }),
      (t) => f.slice(t, { dim: -1, start: 3 }),
      (t) => f.slice(t, { end: 0 }),
    ),
    ...calls([bools], (t) => f.slice(t, { dim: 1, start: 1, end: 6 })),
    ...calls([ints], (t) => f.slice(t, { dim: 1, step: 3 })),
  ],
  softplus: unaryCases(f.softplus),
  split: [
    ...calls(
      [x([2, 5, 8])],
      (t) => f.split(t, [2, 6], { dim: -1 }),
      (t) => f.split(t, 2, { dim: 1 }),
    ),
    ...calls([ints], (t) => f.split(t, 3)),
  ],
  sqrt: unaryCases(f.sqrt, positive),
  square: unaryCases(f.square),
  squeeze: calls(
    [x([2, 1, 3, 1])],
    (t) => f.squeeze(t),
    (t) => f.squeeze(t, { dim: 1 }),
  ),
  stack: calls(same, (...t) => f.stack(t, { dim: 1 })),
  std: reductionCases(f.std).slice(0, -1),
  sub: [...binaryCases(f.sub), ...calls([a], (t) => f.sub(t, 3))],
  sum: reductionCases(f.sum),
  sumToShape: calls([x([3, 4, 5])], (t) => f.sumToShape(t, { shape: [4, 1] })),
  tanh: unaryCases(f.tanh),
  to: withGradients(
    [],
    [
      ...calls(
        [a],
        (t) => f.to(f.to(t, { dtype: "bf16" }), { dtype: "f32" }),
        (t) => f.to(t, { dtype: "i32" }),
        (t) => f.to(t, { dtype: "bool" }),
      ),
      ...calls([ints], (t) => f.to(t, { dtype: "f32" })),
      ...weightCases([x([9, 96])], 0, (w) => f.to(w, { dtype: "f32" })),
      ...weightCases([x([257, 129])], 0, (w) => f.to(w, { dtype: "bf16" })),
      ...weightCases([x([3, 256])], 0, (w) => f.to(w, { dtype: "f32" })),
    ],
  ),
  // The matrices are far from singular. In the second case one must swap rows.
  solve: [
    ...calls(
      [x([3, 3], { values: [4, 1, -1, 0.5, -3, 1, 1, 0.5, 5] }), x([3, 4])],
      (m, b) => f.solve(m, b),
      (m, b) => f.solve(m, b, { transposeA: true }),
    ),
    ...calls([x([2, 2, 2], { values: [0, 2, 3, 0.5, -1, 4, 2, 1] }), x([2, 2, 1])], (m, b) => f.solve(m, b)),
    ...calls([x([0, 2, 2]), x([0, 2, 3])], (m, b) => f.solve(m, b)),
  ],
  topk: calls(
    [distinct],
    (t) => f.topk(t, 3),
    (t) => f.topk(t, 2, { dim: 1 }),
  ),
  transpose: calls([a], (t) => f.transpose(t, 0, -1)),
  triangle: calls([x([2, 4, 5])], (t) => f.triangle(t, { part: "upper", diagonal: -1 })),
  tril: calls(
    [x([4, 5])],
    (t) => f.tril(t),
    (t) => f.tril(t, { diagonal: 1 }),
  ),
  triu: calls(
    [x([4, 5])],
    (t) => f.triu(t),
    (t) => f.triu(t, { diagonal: 1 }),
  ),
  unsqueeze: calls([a], (t) => f.unsqueeze(t, 1)),
  variance: reductionCases(f.variance).slice(0, -1),
  widen: withGradients(
    [],
    calls([a], (t) => f.widen(f.to(t, { dtype: "f16" }))),
  ),
  where: [
    ...calls(
      [bools, x([3, 7]), x([7])],
      (c, s, t) => f.where(c, s, t),
      (c, s) => f.where(c, s, 0),
    ),
    ...calls([{ shape: [3, 1], dtype: "u8" }, x([7]), x([3, 7])], (c, s, t) => f.where(c, s, t)),
    ...calls([bools, ints, ints], (c, s, t) => f.where(c, s, t)),
  ],
};

function binarySameShape(backward: (dy: Tensor, x: Tensor) => Tensor): OpCase[] {
  return [[], [0], [3], [5, 7]].flatMap((shape) => calls([x(shape), x(shape, { low: -4, high: 4 })], backward));
}
