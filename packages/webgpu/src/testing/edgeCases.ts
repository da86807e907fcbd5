import {
  amax,
  amin,
  dynamicMap,
  embedding,
  Generator,
  indexSelect,
  linearCrossEntropy,
  matmul,
  noGrad,
  quantize4bit,
  type Tensor,
  tensor,
} from "@lowrank/core";
import {
  adagradStep,
  adamStep,
  adamStep8bit,
  clipToNorm,
  loraLinear,
  lowRankRows,
  pagedAttention,
  rmspropStep,
  sampleTokens,
  sgdStep,
} from "@lowrank/core/internal";
import { type Input, storedWeights } from "@lowrank/core/testing";
import type { FusedCase } from "./fusedCases.ts";

const f32 = (...shape: number[]): Input => ({ shape });
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

/** Products whose last row and column are at each position of a thread's piece. */
const narrowProducts: readonly FusedCase[] = upTo(9).flatMap((i): FusedCase[] => [
  ...[false, true].flatMap((transposeA) =>
    [false, true].map((transposeB): FusedCase => {
      const [m, k] = [8 + i, 12 + 4 * (i % 2)];
      return {
        name: `a product of ${m} rows and ${i} columns${transposeA ? ", transposed" : ""}${transposeB ? " by transposed" : ""}`,
        inputs: [transposeA ? f32(k, m) : f32(m, k), transposeB ? f32(i, k) : f32(k, i)],
        run: ([x, w]) => matmul(x, w, { transposeA, transposeB }),
        gradients: [0, 1],
      };
    }),
  ),
  {
    name: `two products of ${i} columns`,
    inputs: [f32(2, 8 + i, 5 + i), f32(2, 5 + i, i)],
    run: ([x, w]) => matmul(x, w),
    gradients: [0, 1],
  },
  {
    name: `two products with one matrix of ${i} columns`,
    inputs: [f32(2, 1, 8 + i, 5 + i), f32(3, i, 5 + i)],
    run: ([x, w]) => matmul(x, w, { transposeB: true }),
    gradients: [0, 1],
  },
  {
    name: `factors of rank ${i}`,
    inputs: [f32(8 + i, 11 + i), f32(9 + i, 11 + i), f32(i, 11 + i), f32(9 + i, i)],
    run: ([x, w, a, b]) => loraLinear(x, w, a, b, { scaling: 2 }),
    gradients: [0, 1, 2, 3],
  },
  {
    name: `factors that give ${i} numbers`,
    inputs: [f32(8 + i, 12), f32(i, 12), f32(10 - i, 12), f32(i, 10 - i)],
    run: ([x, w, a, b]) => loraLinear(x, w, a, b, { scaling: 2 }),
    gradients: [0, 1, 2, 3],
  },
  {
    name: `rows of a batch with factors of rank ${i}`,
    inputs: [f32(4, 3, 10 - i), f32(4, 3, 10 + i), f32(i, 10 + i), f32(10 - i, i)],
    run: ([y, x, a, b]) => lowRankRows(y, x, a, b, { rows: [[0, 2, 3]], scalings: [2] }),
    gradients: [0, 1, 2, 3],
  },
  {
    name: `the loss of a head of ${i + 1} classes`,
    inputs: [f32(8 + i, 3 + i), f32(i + 1, 3 + i), { shape: [8 + i], dtype: "i32", high: i + 1 }],
    run: ([x, w, labels]) => linearCrossEntropy(x, w, labels),
    gradients: [0, 1],
  },
  ...Object.entries(storedWeights).map(
    ([name, store]): FusedCase => ({
      name: `a product with ${i} rows of ${name}`,
      inputs: [f32(8 + i, 64), { shape: [i, 64], store }],
      run: ([x, w]) => matmul(x, w, { transposeB: true }),
      gradients: [0],
    }),
  ),
]);

/** `amax` and `amin` of rows of each length whose largest or smallest value is the last. */
const extremaAtEnds: readonly FusedCase[] = upTo(9).flatMap((i): FusedCase[] => [
  { name: `amax of ${i} values in rising order`, inputs: [{ shape: [1, i], values: upTo(i) }], run: ([x]) => amax(x) },
  {
    name: `amin of ${i} values in falling order`,
    inputs: [{ shape: [1, i], values: upTo(i).reverse() }],
    run: ([x]) => amin(x),
  },
]);

/** Packed or 16-bit formats whose rows may have any length. */
const elementwise = { f16: true, bf16: true, nf4: true, "nf4, nested": true, fp4: true };

/** Products of few rows with weights of each format, whose last column is in each quarter of a workgroup's columns. */
const storedProducts: readonly FusedCase[] = Object.entries(storedWeights).flatMap(([name, store]) =>
  [70, 130, 200, 250].flatMap((n, i) =>
    [1, 2, 3, 5 + i, 9 + i].map(
      (m): FusedCase => ({
        name: `a product of ${m} rows with ${n} rows of ${name}`,
        inputs: [f32(m, 32), { shape: [n, 32], store }],
        run: ([x, w]) => matmul(x, w, { transposeB: true }),
        gradients: m > 4 ? [0] : [],
      }),
    ),
  ),
);

/**
 * Products whose weight is stored with one term per row, and whose number of terms is not always a multiple of four.
 */
const storedTerms: readonly FusedCase[] = Object.entries(storedWeights).flatMap(([name, store]) =>
  [33, 34, 35, 36].flatMap((k, i) =>
    [1, 2, 3, 5 + i, 20].map((m): FusedCase => {
      const n = name in elementwise ? 37 + i : 64;
      return {
        name: `a product of ${m} rows with ${k} terms of ${name}`,
        inputs: [f32(m, k), { shape: [k, n], store }],
        run: ([x, w]) => matmul(x, w),
      };
    }),
  ),
);

/** Products whose last row and column are at various positions of larger pieces. */
const wideProducts: readonly FusedCase[] = [24, 41, 57, 70, 131, 200, 250].flatMap((n, i) =>
  [1, 2, 3, 5 + i, 6 + i, 17 + i, 18 + i].flatMap((m) =>
    [false, true].flatMap((transposeA) =>
      [false, true].map((transposeB): FusedCase => {
        const k = 17 + i;
        return {
          name: `a product of ${m} rows and ${n} columns${transposeA ? ", transposed" : ""}${transposeB ? " by transposed" : ""}`,
          inputs: [transposeA ? f32(k, m) : f32(m, k), transposeB ? f32(n, k) : f32(k, n)],
          run: ([x, w]) => matmul(x, w, { transposeA, transposeB }),
        };
      }),
    ),
  ),
);

const settings = { lr: 0.1, weightDecay: 0.1 };
const adam = { ...settings, beta1: 0.9, beta2: 0.99, eps: 1e-8, step: 3 };
const sgd = { ...settings, momentum: 0.9, dampening: 0.2, nesterov: true, first: false };

type Step = (tensors: Tensor[], guard: { guard: "test" }) => unknown;

/** Optimiser steps: the name, the number of tensors, and a function that runs the step. */
const steps: readonly (readonly [name: string, count: number, step: Step])[] = [
  ["adagradStep", 3, (all, guard) => adagradStep(...all, { ...settings, eps: 1e-8, ...guard })],
  ["adamStep", 4, (all, guard) => adamStep(...all, { ...adam, decoupled: true, ...guard })],
  [
    "rmspropStep",
    3,
    (all, guard) => rmspropStep(...all, { ...settings, alpha: 0.9, eps: 1e-8, momentum: 0, ...guard }),
  ],
  [
    "rmspropStep",
    4,
    (all, guard) => rmspropStep(...all, { ...settings, alpha: 0.9, eps: 1e-8, momentum: 0.5, ...guard }),
  ],
  ["sgdStep", 2, (all, guard) => sgdStep(...all, { ...sgd, ...guard })],
  ["sgdStep", 3, (all, guard) => sgdStep(...all, { ...sgd, ...guard })],
];

/** Optimiser steps in "test" mode, with a non-finite value in one of the tensors. */
const testedSteps: readonly FusedCase[] = steps.flatMap(([name, count, step]) =>
  upTo(count).flatMap((broken) =>
    [0, 69].map((at): FusedCase => {
      const values = Array.from({ length: 70 }, (_, i) => (i === at ? Number.POSITIVE_INFINITY : 1));
      const own = (i: number): Input => ({
        shape: [70],
        values: i === broken ? values : new Array<number>(70).fill(1),
      });
      return {
        name: `${name} that tests number ${at} of tensor ${broken} of ${count}`,
        inputs: upTo(count).map(own),
        run: (tensors) => {
          const guard = tensor([0.5, 1, 2], { backend: tensors[0].storage.backend });
          noGrad(() => step([...tensors, guard], { guard: "test" }));
          return guard;
        },
      };
    }),
  ),
);

const eightBit: readonly FusedCase[] = [undefined, "obey", "test"].flatMap((guard) =>
  [255, 256, 515].map((n): FusedCase => {
    const scales: Input = { shape: [Math.ceil(n / 256)], low: 0.5, high: 2 };
    const codes: Input = { shape: [n], dtype: "u8", low: 0, high: 256 };
    return {
      name: `adamStep8bit of ${n} numbers${guard ? `, with a guard that it ${guard}s` : ""}`,
      inputs: [f32(n), f32(n), codes, codes, scales, scales],
      run: (tensors) => {
        const { backend } = tensors[0].storage;
        const tables = [true, false].map((signed) => tensor(dynamicMap({ signed }), { backend }));
        const state = tensor([1, 2], { backend });
        const given = [...tensors, ...tables, ...(guard ? [state] : [])];
        noGrad(() => adamStep8bit(...given, { ...adam, guard: guard as "obey" | "test" | undefined }));
        return [...tensors.map((t) => t.to("f32")), state.add(0)];
      },
    };
  }),
);

const places = (t: Tensor, n: number): Tensor =>
  tensor([n - 1, 0, n - 1], { dtype: "i32", backend: t.storage.backend });

const full8 = (n: number): Input => ({ shape: [n], dtype: "u8", low: 1, high: 256 });

/** Ops whose last result is not 0, so that a test fails if it is not written. */
const lastElements: readonly FusedCase[] = [5, 6, 7, 130].flatMap((n): FusedCase[] => [
  {
    name: `comparisons of ${n} numbers with themselves and larger ones`,
    inputs: [f32(n), { shape: [n], low: 3, high: 4 }],
    run: ([small, large]) =>
      (["f32", "i32"] as const).flatMap((dtype) => {
        const [x, y] = [small.to(dtype), large.to(dtype)];
        return [x.eq(x), x.le(x), x.ge(x), x.ne(y), x.lt(y), y.gt(x)];
      }),
  },
  {
    name: `comparisons of ${n} numbers that are equal here and there`,
    inputs: [
      { shape: [n], dtype: "i32", high: 3 },
      { shape: [n], dtype: "i32", high: 3 },
    ],
    run: (tensors) =>
      (["f32", "i32"] as const).flatMap((dtype) => {
        const [x, y] = tensors.map((t) => t.to(dtype));
        return [x.eq(y), x.le(y), x.ge(y), x.ne(y), x.lt(y), x.gt(y)];
      }),
  },
  {
    name: `${n} numbers in every dtype`,
    inputs: [{ shape: [n], low: 1, high: 255 }, { shape: [n], dtype: "i32", low: 1, high: 200 }, full8(n)],
    run: (tensors) =>
      tensors.flatMap((x) =>
        (["f32", "f16", "bf16", "i32", "u8", "bool"] as const).flatMap((dtype) => [x.to(dtype), x.to(dtype).to("f32")]),
      ),
  },
  {
    name: `moves of ${n} bytes and halves`,
    inputs: [
      { ...full8(n), shape: [2, n] },
      { shape: [2, n], low: 1, high: 2 },
    ],
    run: ([bytes, x]) =>
      [bytes, x.to("f16"), x].flatMap((t) => [
        t.slice([1, 2]),
        t.slice(null, [1, n]),
        t.permute([1, 0]),
        indexSelect(t, places(t, n), { dim: 1 }),
      ]),
  },
  {
    name: `the largest of ${n}, where it is the last`,
    inputs: [1, -1].map((sign) => ({ shape: [2, n, 2], values: Array.from({ length: 4 * n }, (_, i) => sign * i) })),
    run: (tensors) => tensors.flatMap((x) => [x.amax(), x.amax(0), x.amax(1), x.amax([0, 2]), x.amax([1, 2])]),
  },
]);

/** Cases for errors at the last positions of tensors and for tensors of one element. */
export const edgeCases: readonly FusedCase[] = [
  ...narrowProducts,
  ...wideProducts,
  ...storedProducts,
  ...storedTerms,
  ...testedSteps,
  ...eightBit,
  ...lastElements,
  ...extremaAtEnds,
  {
    name: "clipToNorm by a norm that is NaN",
    inputs: [f32(70), { shape: [], values: [Number.NaN] }],
    run: ([x, norm]) => {
      noGrad(() => clipToNorm(x, norm, { maxNorm: 1 }));
      return x.add(0);
    },
  },
  {
    name: "pagedAttention of a row that sees every page",
    inputs: [
      ...[f32(2, 6, 20), f32(4, 16, 3, 20), f32(4, 16, 3, 20)],
      { shape: [2, 2], dtype: "i32", values: [3, 0, 1, 2] },
      { shape: [2, 2], dtype: "i32", values: [0, 5, 1, 31] },
    ],
    run: ([q, k, v, pages, places]) => pagedAttention(q, k, v, pages, places, {}),
  },
  ...(["nf4", "fp4"] as const).map(
    (quantType): FusedCase => ({
      // More than 256 blocks, so that the nested scales have two second-level scales.
      name: `nested scales of ${quantType}`,
      inputs: [f32(6, 64), { shape: [300, 64], low: 1, high: 2 }, { shape: [9], dtype: "i32", low: 250, high: 300 }],
      run: ([x, w, at]) => {
        const packed = quantize4bit(w, { quantType, doubleQuant: true });
        return [matmul(x, packed, { transposeB: true }), embedding(packed, at), packed.to("f32")];
      },
    }),
  ),
  ...Object.entries(storedWeights).map(
    ([name, store]): FusedCase => ({
      name: `${name} as numbers, the last of which is not small`,
      inputs: [{ shape: [3, 64], low: 1, high: 2, store }],
      run: ([packed]) => packed.to("f32"),
    }),
  ),
  {
    name: "sampled tokens, of which the last is by far the likeliest",
    inputs: [33, 70].map((n) => ({
      shape: [2, n],
      values: Array.from({ length: 2 * n }, (_, i) => (i % n === n - 1 ? 30 : 0)),
    })),
    run: (tensors) =>
      tensors.flatMap((logits) =>
        [{}, { topK: 3 }, { topP: 0.7 }, { minP: 0.1 }, { topK: 9, topP: 0.9 }].map((options) =>
          sampleTokens(logits, { ...options, generator: new Generator(3) }),
        ),
      ),
  },
];
