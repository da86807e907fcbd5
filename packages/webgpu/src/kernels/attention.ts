import type {
  attentionBackward,
  attentionDropout,
  attentionDropoutBackward,
  attentionOp,
  TensorSpec,
} from "@lowrank/core/backend";
import { type Example, type ExampleOf, type Gpu, type GpuTensor, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, variants } from "../kernel/shader.ts";
import type { Split } from "../kernel/split.ts";
import { f32, state } from "../selfCheck/shrink.ts";
import { attentionRows } from "../wgsl/attentionRows.ts";
import { attentionUniforms, chunksOf, maskBinding, pairCode, tile } from "../wgsl/attentionTiles.ts";
import { philoxValues } from "../wgsl/philox.ts";
import { rowGroups } from "../wgsl/rows.ts";
import { keyGradient, queryGradient, rowStatistics } from "./attentionBackward.ts";
import { attentionTiles } from "./attentionForward.ts";

/** Parameters of an attention call that the example changes. */
interface AttentionCall {
  readonly keyLength?: number;
  readonly state?: unknown;
}

/**
 * Makes an example of an attention call: with the same head size, at most 35 queries (a full tile and part of a second
 * one) and at most 67 keys. `before` and `behind` describe the inputs before q and after v: "q" is an input with the
 * shape of q, "lse" an input with the shape of the log-sum-exp.
 */
export const attentionExample =
  <P extends AttentionCall>(before: readonly "q"[] = [], behind: readonly ("q" | "lse")[] = []): ExampleOf<P> =>
  (inputs, given): Example<P> => {
    const { keyLength, ...params } = given;
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
      params: { ...(params as P), ...(given.state !== undefined && { state }) },
    };
  };

/** Sizes and settings of an attention call, as computed by the op's `plan`. */
type Geometry = ReturnType<(typeof attentionOp)["definition"]["plan"]>;

/** Maximum number of elements of a head, since each thread keeps sums for a whole head in registers. */
const mostNumbers = 256;

function valuesOf(g: Geometry): Record<string, number> {
  const [maskBatch, maskHead, maskQuery] = g.maskStrides;
  const { queries, keys, capacity, heads, kvHeads, group, size, scale, window, softcap } = g;
  const sizes = { queries, keys, capacity, heads, kvHeads, group, size };
  return { ...sizes, scale, causal: Number(g.causal), window, softcap, maskBatch, maskHead, maskQuery };
}

interface Call {
  readonly g: Geometry;
  /** Uniforms of attention dropout; undefined without dropout. */
  readonly drop?: Readonly<Record<string, number>>;
  readonly mask: GpuTensor | undefined;
}

function forward({ g, drop, mask }: Call, [q, k, v]: GpuTensor[], out: GpuTensor, lse: GpuTensor): Dispatch {
  const made = attentionTiles(chunksOf(g.size), mask !== undefined, drop !== undefined);
  const tensors: Record<string, GpuTensor> = { q, k, v, out, lse, ...(mask && { mask }) };
  return made.dispatch(tensors, { ...valuesOf(g), ...drop }, [Math.ceil(g.queries / tile), g.heads, g.batch]);
}

/** Returns the dispatches that compute dq, dk and dv. `numbers` is the result of the kernel `rowStatistics`. */
function backward(
  { g, drop, mask }: Call,
  [dout, q, k, v]: GpuTensor[],
  numbers: GpuTensor,
  [dq, dk, dv]: GpuTensor[],
): Dispatch[] {
  const values = { ...valuesOf(g), ...drop };
  const variant = [chunksOf(g.size), mask !== undefined, drop !== undefined] as const;
  const tensors: Record<string, GpuTensor> = { dout, q, k, v, numbers, ...(mask && { mask }) };
  const [rows, columns] = [g.queries, g.capacity].map((count) => Math.ceil(count / tile));
  return [
    queryGradient(...variant).dispatch({ ...tensors, dq }, values, [rows, g.heads, g.batch]),
    keyGradient(...variant).dispatch({ ...tensors, dk, dv }, values, [columns, g.kvHeads, g.batch]),
  ];
}

/**
 * Returns the dispatch of the kernel `rowStatistics`, and the tensor that it writes: two values that the gradients need
 * for each row (a query of one head).
 */
function numbersOf(
  { batch, heads, queries, size }: Geometry,
  dout: GpuTensor,
  out: GpuTensor,
  lse: GpuTensor,
  gpu: Gpu,
) {
  const count = batch * heads * queries;
  const tensor = gpu.scratch({ shape: [count, 2], dtype: "f32" });
  const values = { rows: count, queries, heads, size };
  return {
    tensor,
    runs: [rowStatistics.dispatch({ dout, out, lse, numbers: tensor }, values, rowGroups(count, false))],
  };
}

/** Checks that a head has at most `mostNumbers` elements. The first input is q, or has the same shape. */
const takesHeads = ([q]: readonly TensorSpec[]): boolean => q.shape[3] <= mostNumbers;

/** Returns how to cut an attention call by the sequences of its batch. A mask that all sequences share is not cut. */
const byBatch = (inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): Split<never> => {
  const [
    {
      shape: [rows],
    },
  ] = inputs;
  const cut = ({ shape }: TensorSpec) => shape[0] === rows;
  return { rows, inputs: inputs.map(cut), outputs: outputs.map(cut) };
};

/**
 * Maximum number of queries for which each row (a query of one head) gets its own workgroup. With so few queries, tiles
 * of queries would be mostly empty.
 */
const fewQueries = 3;

const rows = variants((chunks: number, masked: boolean) =>
  attentionRows({
    name: `attention of rows${masked ? ", masked" : ""}`,
    bindings: {
      ...({ q: "read f32", k: "read f32", v: "read f32" } as const),
      ...maskBinding(masked),
      ...({ out: "write f32", lse: "write f32" } as const),
    },
    uniforms: attentionUniforms,
    size: 32 * chunks,
    helpers: pairCode(masked, false),
    begin: `let i = row % u.queries;
  let h = (row / u.queries) % u.heads;
  let b = row / u.queries / u.heads;
  let qAt = ((b * u.queries + i) * u.heads + h) * u.size;
  var first = 0u;
  var end = u.keys;
  if (u.causal != 0u) {
    let own = i32(u.keys) - i32(u.queries) + i32(i);
    end = u32(clamp(own + 1, 0, i32(u.keys)));
    if (u.window > 0u) { first = u32(max(own - i32(u.window) + 1, 0)); }
  }`,
    place: `  let i = row % u.queries;
  let h = (row / u.queries) % u.heads;
  let b = row / u.queries / u.heads;
  if (!isSeen(b, h, i, j)) { return -1; }
  return i32(((b * u.capacity + j) * u.kvHeads + h / u.group) * u.size);`,
    end: `var logMass = 0.0;
    if (!(mass == 0.0)) { logMass = top + logOf(mass); }
    lse[row] = logMass;`,
  }),
);

export const attentionKernel: WebGpuKernel = kernel<typeof attentionOp>(
  "attention",
  (inputs, [out, lse], params, _gpu, { plan }) => {
    const g = plan(inputs, [out, lse], params);
    const [q, k, v, mask] = inputs;
    if (g.queries > fewQueries) return [forward({ g, mask }, inputs, out, lse)];
    const made = rows(chunksOf(g.size), mask !== undefined);
    const tensors: Record<string, GpuTensor> = { q, k, v, out, lse, ...(mask && { mask }) };
    return [made.dispatch(tensors, { ...valuesOf(g), rows: lse.size }, rowGroups(lse.size, false))];
  },
  { supports: takesHeads, example: attentionExample(), split: byBatch },
);

export const attentionBackwardKernel: WebGpuKernel = kernel<typeof attentionBackward>(
  "attentionBackward",
  ([dout, q, k, v, out, lse, mask], gradients, params, gpu, { plan }) => {
    const g = plan([dout, q, k, v, out, lse, ...(mask ? [mask] : [])], gradients, params);
    const numbers = numbersOf(g, dout, out, lse, gpu);
    return [...numbers.runs, ...backward({ g, mask }, [dout, q, k, v], numbers.tensor, gradients)];
  },
  { supports: takesHeads, example: attentionExample(["q"], ["q", "lse"]), split: byBatch },
);

/**
 * Returns the uniforms of attention dropout: the generator's state, the drop threshold and the scale of kept weights.
 */
const dropOf = ({ p, state }: { readonly p: number; readonly state: Parameters<typeof philoxValues>[0] }) => ({
  ...philoxValues(state),
  ...{ threshold: Math.ceil(p * 2 ** 24), kept: 1 / (1 - p) },
});

/**
 * Returns a function that tests whether the kernels with dropout support a call. A head must have at most `mostNumbers`
 * elements. There must be fewer than 2^32 - 4 attention weights, since dropout indexes them by 32-bit integers. `q` is
 * the index of the queries among the inputs.
 */
const countsWeights = (q: number) => (inputs: readonly TensorSpec[], params: { readonly keyLength?: number }) => {
  const [batch, queries, heads] = inputs[q].shape;
  const { keyLength = inputs[q + 1].shape[1] } = params;
  return takesHeads(inputs) && batch * queries * heads * keyLength < 2 ** 32 - 4;
};

export const attentionDropoutKernel: WebGpuKernel = kernel<typeof attentionDropout>(
  "attentionDropout",
  (inputs, [out], params, gpu, { plan }) => {
    const g = plan(inputs, [out], params);
    const lse = gpu.scratch({ shape: [g.batch, g.heads, g.queries], dtype: "f32" });
    return [forward({ g, mask: inputs[3], drop: dropOf(params) }, inputs, out, lse)];
  },
  { supports: countsWeights(0), example: attentionExample() },
);

export const attentionDropoutBackwardKernel: WebGpuKernel = kernel<typeof attentionDropoutBackward>(
  "attentionDropoutBackward",
  (inputs, gradients, params, gpu, { plan }) => {
    const [dout, q, k, v, mask] = inputs;
    const g = plan(inputs, gradients, params);
    const call = { g, mask, drop: dropOf(params) };
    const lse = gpu.scratch({ shape: [g.batch, g.heads, g.queries], dtype: "f32" });
    const out = gpu.scratch(q);
    const numbers = numbersOf(g, dout, out, lse, gpu);
    return [
      forward(call, [q, k, v], out, lse),
      ...numbers.runs,
      ...backward(call, [dout, q, k, v], numbers.tensor, gradients),
    ];
  },
  { supports: countsWeights(1), example: attentionExample(["q"]) },
);
