import { isPacked, type Shape, type TensorSpec } from "@lowrank/core/backend";
import type { ExampleInput } from "./exampleBytes.ts";

/** A small call of an op, of the same kind as a large one. */
export interface Example {
  readonly inputs: readonly ExampleInput[];
  readonly params: unknown;
}

type Specs = readonly TensorSpec[];
type Params = Readonly<Record<string, unknown>>;

/** Makes the example of a call. */
type Shrink = (inputs: Specs, params: Params) => Example;

const f32 = (...shape: number[]): ExampleInput => ({ shape, dtype: "f32" });
const ids = (below: number, ...shape: number[]): ExampleInput => ({ shape, dtype: "i32", below });
const last = (shape: Shape): number => shape[shape.length - 1];

/** Gives each input another shape by its own. */
const shaped =
  (to: (shape: Shape, params: Params) => Shape): Shrink =>
  (inputs, params) => ({ inputs: inputs.map((input) => ({ ...input, shape: to(input.shape, params) })), params });

const numbers = shaped(() => [37]);
/** Few rows, each as long as it was; vectors stay. */
const rows = shaped((shape) => (shape.length < 2 ? shape : [3, last(shape)]));
/** Few lanes, each as long as it was. */
const lanes = shaped((shape, { dim }) =>
  shape.map((size, d) => (d === ((dim as number) + shape.length) % shape.length ? size : Math.min(size, 2))),
);

/** Attention with as large heads: few queries stay as few, many fill a tile and part of one. */
const attention =
  (before: readonly "q"[], behind: readonly ("q" | "lse")[]): Shrink =>
  (inputs, given) => {
    const { keyLength, state, ...rest } = given as { keyLength?: number; state?: unknown };
    const at = before.length;
    const [[, queries, heads, size], [, capacity, kvHeads]] = [inputs[at].shape, inputs[at + 1].shape];
    const [t, s] = [queries > 3 ? Math.min(queries, 35) : queries, Math.min(keyLength ?? capacity, 67)];
    const group = heads / kvHeads;
    const q = f32(1, t, group, size);
    const kinds = { q, lse: f32(1, group, t) };
    const masked = inputs.length > before.length + 3 + behind.length;
    return {
      inputs: [
        ...before.map((kind) => kinds[kind]),
        ...[q, f32(1, s, 1, size), f32(1, s, 1, size)],
        ...behind.map((kind) => kinds[kind]),
        ...(masked ? [{ shape: [1, 1, t, s], dtype: "bool" } as const] : []),
      ],
      params: state === undefined ? rest : { ...rest, state: { seed: 1, stream: [0, 0], offset: 2 } },
    };
  };

const classes = 60;

const examples: Readonly<Record<string, Shrink>> = {
  ...Object.fromEntries(
    [
      ...["sigmoid", "silu", "siluBackward", "gelu", "geluBackward", "geluTanh", "geluTanhBackward"],
      ...["swiglu", "swigluBackward", "geglu", "gegluBackward", "addInto", "scaleInPlace"],
    ].map((op) => [op, numbers]),
  ),
  ...Object.fromEntries(
    [
      ...["layerNorm", "layerNormBackward", "layerNormWeightBackward"],
      ...["rmsNorm", "rmsNormBackward", "rmsNormWeightBackward"],
    ].map((op) => [op, rows]),
  ),
  ...Object.fromEntries(
    ["softmax", "softmaxBackward", "logSoftmax", "logSoftmaxBackward", "cumsum", "max", "min"].map((op) => [op, lanes]),
  ),
  topk: (inputs, params) => lanes(inputs, params),
  attention: attention([], []),
  attentionBackward: attention(["q"], ["q", "lse"]),
  attentionDropout: attention([], []),
  attentionDropoutBackward: attention(["q"], []),
  pagedAttention: ([q, k], params) => {
    const [heads, size] = q.shape.slice(1);
    const [pageSize, kvHeads] = k.shape.slice(1);
    const pool = f32(3, pageSize, kvHeads, size);
    const places = [0, 2 * pageSize - 1, 1, Math.floor(pageSize / 2)];
    const chosen = { shape: [2, 2], dtype: "i32", values: [2, 0, 1, 2] } as const;
    return { inputs: [f32(2, heads, size), pool, pool, chosen, { ...chosen, values: places }], params };
  },
  pagedWrite: ([pool]) => {
    const [pageSize, ...rest] = pool.shape.slice(1);
    const slots = { shape: [2], dtype: "i32", values: [2 * pageSize - 1, 0] } as const;
    return { inputs: [f32(2, pageSize, ...rest), f32(2, ...rest), slots], params: undefined };
  },
  rope: ([x, cosines]) => {
    const [, , heads, size] = x.shape;
    const half = last(cosines.shape);
    const table = cosines.shape.length === 3 ? f32(2, 3, half) : f32(3, half);
    return { inputs: [f32(2, 3, Math.min(heads, 2), size), table, table], params: {} };
  },
  embedding: ([weight]) => ({ inputs: [{ ...weight, shape: [8, last(weight.shape)] }, ids(8, 7)], params: undefined }),
  embeddingBackward: ([dy]) => ({ inputs: [f32(9, last(dy.shape)), ids(5, 9)], params: { vocab: 5 } }),
  indexAdd: () => ({ inputs: [f32(9, 5), ids(4, 9)], params: { dim: 0, size: 4 } }),
  crossEntropy: ([logits], params) => {
    const n = Math.min(last(logits.shape), classes);
    return { inputs: [f32(5, n), ids(n, 5)], params };
  },
  crossEntropyBackward: ([dloss, logits], params) => {
    const n = Math.min(last(logits.shape), classes);
    return { inputs: [dloss.shape.length > 0 ? f32(5) : f32(), f32(5, n), ids(n, 5), f32(5, 2)], params };
  },
  dropout: (_inputs, params) => ({
    inputs: [f32(37)],
    params: { ...params, state: { seed: 7, stream: [1, 2], offset: 3 } },
  }),
  sampleTokens: ([logits], params) => ({
    inputs: [f32(4, Math.min(last(logits.shape), classes))],
    params: { ...params, state: { seed: 7, stream: [1, 2], offset: 3 } },
  }),
  gradNorm: () => ({ inputs: [f32(37), f32(3, 5)], params: undefined }),
  clipToNorm: (_inputs, params) => ({
    inputs: [f32(37), f32()],
    params: { ...params, maxNorm: 0.1 },
  }),
  matmul: ([a, w], params) => {
    const { transposeA, transposeB } = params as { transposeA?: boolean; transposeB?: boolean };
    const m = a.shape[a.shape.length - (transposeA ? 1 : 2)] > 1 ? 3 : 1;
    const [n, k] = [64, 128];
    const left = transposeA ? f32(k, m) : f32(m, k);
    return { inputs: [left, { ...w, shape: transposeB ? [n, k] : [k, n] }], params };
  },
};

/**
 * Returns a small call for the kind of call that an op was given: as long rows and as large heads,
 * but few of them. None for ops whose kernels are not checked.
 */
export function exampleOf(op: string, inputs: Specs, params: unknown): Example | undefined {
  if (!Object.hasOwn(examples, op)) return undefined;
  // The others are primitives: nothing could run in their place.
  if (op === "matmul" && !isPacked(inputs[1].dtype)) return undefined;
  return examples[op](inputs, (params ?? {}) as Params);
}
