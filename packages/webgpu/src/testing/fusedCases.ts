import {
  argmax,
  argmin,
  attention,
  type Backend,
  crossEntropy,
  cumsum,
  dropout,
  embedding,
  Generator,
  geglu,
  gradients,
  layerNorm,
  logSoftmax,
  max,
  min,
  noGrad,
  reference,
  rmsNorm,
  rope,
  ropeTables,
  scope,
  softmax,
  swiglu,
  type Tensor,
  tensor,
  topk,
  withBackend,
} from "@lowrank/core";
import {
  adamStep,
  cacheWrite,
  clipToNorm,
  gradNorm,
  pagedAttention,
  sampleTokens,
  sgdStep,
} from "@lowrank/core/internal";
import { expectClose, type Input, inputValues, makeInput, type Numbers, prepareStored } from "@lowrank/core/testing";

/** A test call of a fused op, at sizes that fill several tiles and part of another. */
export interface FusedCase {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly run: (tensors: Tensor[]) => Tensor | Tensor[];
  /** Indices of the inputs whose gradients are compared with the reference. Default: none. */
  readonly gradients?: readonly number[];
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const f32 = (...shape: number[]): Input => ({ shape });
const ids = (high: number, ...shape: number[]): Input => ({ shape, dtype: "i32", low: 0, high });
const special = (...values: number[]): Input => ({ shape: [1, values.length], values });
const tables = (backend: Backend): Tensor[] => {
  const { cos, sin } = withBackend(backend, () => ropeTables([1, 0.5, 0.25], 40));
  return [cos, sin];
};

const heads = (queries: number, keys: number, size: number): Input[] => [
  f32(2, queries, 4, size),
  f32(2, keys, 2, size),
  f32(2, keys, 2, size),
];

const attentions: FusedCase[] = [
  [heads(70, 70, 40), { causal: true }],
  [heads(33, 97, 64), { causal: true, window: 40 }],
  [heads(65, 65, 130), { softcap: 4 }],
  [heads(40, 100, 16), { causal: true, keyLength: 71, scale: 0.3 }],
  [heads(3, 150, 70), { causal: true, window: 90, softcap: 3 }],
  [heads(1, 130, 20), { keyLength: 129 }],
].flatMap(([inputs, params]): FusedCase[] => {
  const name = `attention ${(inputs as Input[]).map(({ shape }) => shape.join("x")).join(" ")} ${JSON.stringify(params)}`;
  const [{ shape: q }, { shape: k }] = inputs as Input[];
  const keys = (params as { keyLength?: number }).keyLength ?? k[1];
  const mask: Input = { shape: [2, 1, q[1], keys], dtype: "bool" };
  const all = [0, 1, 2];
  return [
    { name, inputs: inputs as Input[], run: ([s, a, b]) => attention(s, a, b, params as object), gradients: all },
    {
      name: `${name}, masked`,
      inputs: [...(inputs as Input[]), mask],
      run: ([s, a, b, m]) => attention(s, a, b, { ...(params as object), mask: m }),
      gradients: all,
    },
  ];
});

export const fusedCases: readonly FusedCase[] = [
  ...attentions,
  {
    name: "attention with dropout on the weights",
    inputs: [...heads(35, 66, 33), { shape: [2, 4, 35, 66], dtype: "bool" }],
    run: ([q, k, v, mask]) => attention(q, k, v, { mask, dropoutP: 0.3, generator: new Generator(5) }),
    gradients: [0, 1, 2],
  },
  ...[31, 33, 200].flatMap((n): FusedCase[] => [
    {
      name: `layerNorm of ${n}`,
      inputs: [f32(3, 45, n), f32(n), f32(n)],
      run: ([x, w, b]) => layerNorm(x, w, b, { eps: 1e-5 }),
      gradients: [0, 1, 2],
    },
    {
      name: `rmsNorm of ${n}`,
      inputs: [f32(130, n), f32(n)],
      run: ([x, w]) => rmsNorm(x, w, { eps: 1e-5 }),
      gradients: [0, 1],
    },
    { name: `softmax of ${n}`, inputs: [f32(5, n)], run: ([x]) => softmax(x, { dim: -1 }), gradients: [0] },
    { name: `softmax across ${n}`, inputs: [f32(2, n, 7)], run: ([x]) => softmax(x, { dim: 1 }), gradients: [0] },
    { name: `logSoftmax of ${n}`, inputs: [f32(5, n)], run: ([x]) => logSoftmax(x, { dim: -1 }), gradients: [0] },
    { name: `cumsum of ${n}`, inputs: [f32(3, n, 2)], run: ([x]) => cumsum(x, { dim: 1 }) },
    { name: `max of ${n}`, inputs: [f32(3, n, 2)], run: ([x]) => [max(x, { dim: 1 }), argmax(x, { dim: 1 })] },
    { name: `min of ${n}`, inputs: [f32(3, n)], run: ([x]) => [min(x, { dim: 1 }), argmin(x, { dim: 1 })] },
    { name: `topk of ${n}`, inputs: [f32(3, n, 2)], run: ([x]) => topk(x, 9, { dim: 1 }) },
    ...(["mean", "sum", "none"] as const).flatMap((reduction) =>
      [0, 0.2].map(
        (labelSmoothing): FusedCase => ({
          name: `crossEntropy of ${n}, ${reduction}, smoothing ${labelSmoothing}`,
          inputs: [f32(70, n), ids(20, 70)],
          run: ([x, labels]) => crossEntropy(x, labels, { reduction, labelSmoothing, ignoreIndex: 3 }),
          gradients: [0],
        }),
      ),
    ),
  ]),
  { name: "swiglu", inputs: [f32(5, 67), f32(5, 67)], run: ([a, b]) => swiglu(a, b), gradients: [0, 1] },
  ...(["none", "tanh"] as const).map(
    (approximate): FusedCase => ({
      name: `geglu ${approximate}`,
      inputs: [f32(5, 67), f32(5, 67)],
      run: ([a, b]) => geglu(a, b, { approximate }),
      gradients: [0, 1],
    }),
  ),
  {
    name: "rope with an offset",
    inputs: [f32(2, 9, 3, 8)],
    run: ([x]) => rope(x, ...(tables(x.storage.backend) as [Tensor, Tensor]), { offset: 30 }),
    gradients: [0],
  },
  ...[1, 5, 300].map(
    (rows): FusedCase => ({
      name: `embedding of ${rows} rows, of which many repeat`,
      inputs: [f32(rows, 9), ids(rows, 4, 70)],
      run: ([table, at]) => embedding(table, at),
      gradients: [0],
    }),
  ),
  ...[0, 1, 2, 3, 2 ** 34 + 1].map(
    (offset): FusedCase => ({
      name: `dropout from number ${offset} on`,
      inputs: [{ shape: [37, 11], low: 1, high: 2 }],
      run: ([x]) => {
        const generator = new Generator(2 ** 40 + 7).fork("layer");
        generator.offset = offset;
        return dropout(x, { p: 0.37, generator });
      },
      gradients: [0],
    }),
  ),
  {
    name: "softmax of NaN and infinities",
    inputs: [special(1, nan, 2), special(inf, 1), special(-inf, 1, -inf), special(-inf, -inf)],
    run: (tensors) => tensors.flatMap((x) => [softmax(x, { dim: 1 }), logSoftmax(x, { dim: 1 })]),
  },
  {
    name: "extrema of NaN, zeros and infinities",
    inputs: [special(0, -0, 0), special(-0, 0), special(1, nan, inf, nan), special(-inf, -inf)],
    run: (tensors) =>
      tensors.flatMap((x) => [
        max(x, { dim: 1 }),
        argmax(x, { dim: 1 }),
        min(x, { dim: 1 }),
        argmin(x, { dim: 1 }),
        ...topk(x, 2, { dim: 1 }),
      ]),
  },
  {
    name: "gradNorm of squares that overflow or vanish",
    inputs: [special(3e30, 4e30), special(3e-30, 4e-30), special(1, inf), special(nan, 1), { shape: [40000] }],
    run: (tensors) => [...tensors.map((x) => gradNorm(x)), gradNorm(tensors[0], tensors[4], tensors[1])],
  },
  {
    name: "attention of rows that see nothing",
    inputs: [
      ...heads(34, 40, 8).map((input, i) => (i === 2 ? input : input)),
      { shape: [34, 40], dtype: "bool", high: 1 },
    ],
    run: ([q, k, v, mask]) => [attention(q, k, v, { mask })],
    gradients: [0, 1, 2],
  },
  {
    name: "sampled tokens",
    inputs: [f32(60, 101)],
    run: ([logits]) =>
      [{}, { topK: 7 }, { topP: 0.6 }, { minP: 0.2, temperature: 2 }, { topK: 30, topP: 0.8, minP: 0.05 }].map(
        (options) => sampleTokens(logits, { ...options, generator: new Generator(3) }),
      ),
  },
  {
    name: "sampled tokens of ties, and of rows without any",
    inputs: [
      {
        shape: [4, 70],
        values: Array.from({ length: 280 }, (_, i) => (i < 70 ? 1 : i < 140 ? i % 3 : i < 210 ? -inf : nan)),
      },
    ],
    run: ([logits]) =>
      [{}, { topK: 5 }, { topP: 0.5 }].map((options) =>
        sampleTokens(logits, { ...options, generator: new Generator(1) }),
      ),
  },
  {
    name: "adamStep and clipToNorm of several parameters",
    inputs: Array.from(
      { length: 12 },
      (_, i): Input => ({ shape: [[70], [3, 5], []][Math.floor(i / 4)], low: 0, high: 1 }),
    ),
    run: (tensors) => {
      const settings = { beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 3, decoupled: true };
      noGrad(() => {
        const grads = tensors.filter((_, i) => i % 4 === 1);
        clipToNorm(...grads, gradNorm(...grads), { maxNorm: 0.5 });
        adamStep(...tensors, { ...settings, lr: 0.1 });
      });
      return tensors.map((t) => t.add(0));
    },
  },
  ...(["obey", "test"] as const).flatMap((guard) =>
    [1, nan, inf].map(
      (value): FusedCase => ({
        name: `sgdStep with a guard of ${value} that it ${guard}s`,
        inputs: [
          f32(70),
          { shape: [70], values: Array.from({ length: 70 }, (_, i) => (i === 69 ? value : i)) },
          f32(70),
        ],
        run: ([p, grad, buffer]) => {
          const state = tensor([0.5, guard === "test" ? 1 : value, 2], { backend: p.storage.backend });
          const settings = { lr: 0.1, weightDecay: 0.1, momentum: 0.9, dampening: 0.2, nesterov: true, first: false };
          noGrad(() => sgdStep(p, grad, buffer, state, { ...settings, guard }));
          return [p, buffer, state].map((t) => t.add(0));
        },
      }),
    ),
  ),
  ...[20, 33, 130].map(
    (n): FusedCase => ({
      name: `the last of ${n} numbers counts`,
      inputs: [1, -1].map((sign) => ({ shape: [2, n], values: Array.from({ length: 2 * n }, (_, i) => sign * i) })),
      run: (tensors) =>
        tensors.flatMap((x) => [max(x, { dim: 1 }), min(x, { dim: 1 }), x.max(), cumsum(x, { dim: 1 })]),
    }),
  ),
  {
    name: "crossEntropy of rows that all are ignored",
    inputs: [f32(40, 33), { shape: [40], dtype: "i32", values: new Array<number>(40).fill(-100) }],
    run: ([x, labels]) => crossEntropy(x, labels),
  },
  {
    name: "adamStep with guards whose last number alone counts",
    inputs: [1, 0, inf].flatMap((value) => [
      ...[f32(70), { shape: [70], values: Array.from({ length: 70 }, (_, i) => (i === 69 ? value : 1)) }],
      ...[f32(70), { shape: [70], low: 0, high: 1 }],
    ]),
    run: (tensors) => {
      const settings = { beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 3, decoupled: true, lr: 0.1 };
      const guards = [nan, 1].map((value) => tensor([0.5, 1, value], { backend: tensors[0].storage.backend }));
      noGrad(() => {
        adamStep(...tensors.slice(0, 4), guards[0], { ...settings, guard: "obey" });
        adamStep(...tensors.slice(8), guards[1], { ...settings, guard: "test" });
      });
      return [...tensors.slice(0, 4), ...guards].map((t) => t.add(0));
    },
  },
  {
    name: "sgdStep without momentum, with a guard that it tests",
    inputs: [f32(70), { shape: [70], values: Array.from({ length: 70 }, (_, i) => (i === 69 ? inf : i)) }],
    run: ([p, grad]) => {
      const state = tensor([0.5, 1, 2], { backend: p.storage.backend });
      const plain = { lr: 0.1, weightDecay: 0.1, momentum: 0, dampening: 0, nesterov: false, first: true };
      noGrad(() => sgdStep(p, grad, state, { ...plain, guard: "test" }));
      return state;
    },
  },
  {
    name: "cacheWrite at one position, and at one for each sequence",
    inputs: [f32(3, 9, 5), f32(3, 2, 5), f32(3, 9, 5)],
    run: ([one, rows, other]) => {
      noGrad(() => {
        cacheWrite(one, rows, { position: 4 });
        cacheWrite(other, rows, { position: [7, 0, 3] });
      });
      return [one, other].map((t) => t.add(0));
    },
  },
  ...[0, 20].map(
    (window): FusedCase => ({
      name: `pagedAttention with a window of ${window}`,
      inputs: [
        ...[f32(4, 6, 70), f32(12, 16, 3, 70), f32(12, 16, 3, 70)],
        { shape: [2, 6], dtype: "i32", values: [3, 0, 7, 11, 5, 99, 1, 2, 4, -1, 8, 9] },
        { shape: [4, 2], dtype: "i32", values: [0, 0, 0, 79, 1, 40, 1, 15] },
      ],
      run: ([q, k, v, pages, places]) => pagedAttention(q, k, v, pages, places, { window }),
    }),
  ),
];

async function outcome({ inputs, run, gradients: wanted = [] }: FusedCase, backend: Backend): Promise<Numbers[]> {
  const generator = new Generator(4);
  const [outputs, slopes] = scope(() => {
    const tensors = inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
    for (const i of wanted) tensors[i].requiresGrad = true;
    const results = [run(tensors)].flat();
    const leaves = wanted.map((i) => tensors[i]);
    const total = (): Tensor => results.map((y) => y.mul(y).sum()).reduce((a, b) => a.add(b));
    return [results, wanted.length > 0 ? gradients(total(), leaves) : []];
  });
  const tensors = [...outputs, ...slopes];
  const numbers = await Promise.all(tensors.map(async (t) => ({ shape: t.shape, data: await t.data() })));
  for (const t of tensors) t.dispose();
  return numbers;
}

const known = new Map<FusedCase, Numbers[]>();

/** Throws unless a backend's results and gradients of a case match the reference. */
export async function checkFused(backend: Backend, one: FusedCase): Promise<void> {
  const expected = known.get(one) ?? (await outcome(one, reference()));
  known.set(one, expected);
  await prepareStored(backend);
  const actual = await outcome(one, backend);
  for (const [i, e] of expected.entries()) expectClose(`result ${i}`, actual[i], e, 2e-5);
}
