import { type BackendOp, type MetaBackend, noGrad, scope, sizeOf, type TensorRef } from "@lowrank/core";

/** Ops that move elements without arithmetic. `countFlops` counts them as 0. */
const moves = new Set(
  "cat split expand embedding gather scatterAdd indexSelect permute slice place flip to where copyInto cacheWrite pagedWrite oneHot triangle".split(
    " ",
  ),
);

type Refs = readonly TensorRef[];

const lastOf = ({ shape }: TensorRef): number => shape[shape.length - 1];

/**
 * For each op that sums products, a function that returns the op's number of floating-point operations: two for each
 * product.
 */
const products: Readonly<Record<string, (inputs: Refs, outputs: Refs, params: never) => number>> = {
  matmul: ([a], [out], { transposeA }: { transposeA?: boolean } = {}) =>
    2 * sizeOf(out.shape) * a.shape[a.shape.length - (transposeA ? 2 : 1)],
  linearInt8: ([x], [out]) => 2 * sizeOf(out.shape) * lastOf(x),
  loraLinear: ([x, w, a], [out]) => {
    const rows = sizeOf(out.shape) / lastOf(out);
    return 2 * rows * (sizeOf(w.shape) + a.shape[0] * (lastOf(x) + lastOf(out)));
  },
  lowRankRows: ([y, x, ...factors], _outputs, { rows }: { rows: readonly (readonly number[])[] }) => {
    const each = sizeOf(x.shape) / (x.shape[0] * lastOf(x));
    const numbers = rows.reduce((sum, own, s) => sum + own.length * factors[2 * s].shape[0], 0);
    return 2 * each * numbers * (lastOf(x) + lastOf(y));
  },
  attention: ([q, k], _outputs, { causal, keyLength }: { causal?: boolean; keyLength?: number } = {}) => {
    const [batch, queries, heads, size] = q.shape;
    const keys = keyLength ?? k.shape[1];
    const pairs = causal ? queries * keys - (queries * (queries - 1)) / 2 : queries * keys;
    return 4 * batch * heads * size * pairs;
  },
  // One Gaussian elimination, and two triangular solves for each right-hand side.
  solve: ([a, b]) => {
    const n = lastOf(a);
    return (2 / 3) * n * sizeOf(a.shape) + 2 * n * sizeOf(b.shape);
  },
};

function flopsOf({ name }: BackendOp<never>, inputs: Refs, outputs: Refs, params: never): number {
  if (moves.has(name)) return 0;
  const product = products[name];
  if (product) return product(inputs, outputs, params);
  return outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/**
 * Counts the floating-point operations of `fn`, which runs on a backend without data. The backward pass is not counted.
 * A multiply-add counts as 2, an element that another op computes as 1, and a copied element as 0.
 */
export function countFlops(backend: MetaBackend, fn: () => unknown): number {
  let flops = 0;
  const { run } = backend;
  backend.run = (op, inputs, outputs, params) => {
    flops += flopsOf(op, inputs, outputs, params as never);
    run(op, inputs, outputs, params);
  };
  try {
    noGrad(() => scope(() => void fn()));
  } finally {
    backend.run = run;
  }
  return flops;
}
