import { full, scalarLike } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { compare } from "../binary/compare.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { where } from "../binary/where.ts";
import { matmul } from "../products/matmul.ts";
import { type DropoutParams, dropoutOp } from "../random/dropout.ts";
import { amax } from "../reductions/amax.ts";
import { logSoftmax } from "../reductions/softmax.ts";
import { expand, sumTo } from "../shapes/expand.ts";
import { permute } from "../shapes/permute.ts";
import { reshape } from "../shapes/reshape.ts";
import { place, slice } from "../shapes/slice.ts";
import { rowSum } from "../shared/rows.ts";
import { affine } from "../unary/affine.ts";
import { exp } from "../unary/exp.ts";
import { square } from "../unary/square.ts";
import { tanh } from "../unary/tanh.ts";
import { type AttentionParams, causalKeys, type Geometry, geometry } from "./attentionGeometry.ts";

const swapHeads = (t: Tensor): Tensor => permute(t, { dims: [0, 2, 1, 3] });

/**
 * Returns the first `keyLength` keys or values of t [B, capacity, Hkv, D], repeated for each query head: [B, H, S, D].
 */
function repeatHeads(t: Tensor, g: Geometry): Tensor {
  const { batch, kvHeads, group, keys, heads, size } = g;
  const used = swapHeads(slice(t, { dim: 1, end: keys }));
  const grouped = reshape(used, { shape: [batch, kvHeads, 1, keys, size] });
  return reshape(expand(grouped, { shape: [batch, kvHeads, group, keys, size] }), {
    shape: [batch, heads, keys, size],
  });
}

/** The gradient of `repeatHeads`: sums over the query heads that share a key head. */
function gatherHeads(t: Tensor, g: Geometry): Tensor {
  const { batch, kvHeads, group, keys, capacity, size } = g;
  const grouped = reshape(t, { shape: [batch, kvHeads, group, keys, size] });
  const summed = reshape(sumTo(grouped, [batch, kvHeads, 1, keys, size]), { shape: [batch, kvHeads, keys, size] });
  return place(swapHeads(summed), { dim: 1, size: capacity, start: 0 });
}

/** Returns x [B, H, T, S] with `value` in each entry whose query may not attend to its key. */
type Hide = (x: Tensor, value: number) => Tensor;

function hiding(g: Geometry, q: Tensor, mask: Tensor | undefined): Hide {
  const visible = mask ? [mask] : [];
  if (g.causal) {
    const seen = new Uint8Array(g.queries * g.keys);
    for (let i = 0; i < g.queries; i++) {
      const [first, end] = causalKeys(g, i);
      seen.fill(1, i * g.keys + first, i * g.keys + end);
    }
    visible.push(tensor(seen, { shape: [g.queries, g.keys], backend: q.storage.backend }));
  }
  return (x, value) => visible.reduce((rest, condition) => where(condition, rest, scalarLike(x, value)), x);
}

/**
 * Score of hidden keys. It is far below all real scores, but finite: a query without a visible key gets finite weights,
 * which are set to zero later.
 */
const hiddenScore = -1e30;

/**
 * Returns the scores and the attention weights of all query-key pairs, [B, H, T, S], and the intermediate tensors that
 * gradients need.
 */
function weigh(q: Tensor, k: Tensor, g: Geometry, mask: Tensor | undefined) {
  const [queries, keys] = [swapHeads(q), repeatHeads(k, g)];
  const raw = affine(matmul(queries, keys, { transposeB: true }), { scale: g.scale });
  const bent = g.softcap > 0 ? tanh(affine(raw, { scale: 1 / g.softcap })) : null;
  const hide = hiding(g, q, mask);
  const scores = hide(bent ? affine(bent, { scale: g.softcap }) : raw, hiddenScore);
  const logs = logSoftmax(scores, { dim: -1 });
  return { queries, keys, bent, scores, logs, weights: hide(exp(logs), 0) };
}

/** Computes `attention` from other ops. All T x S weights are in memory. */
export function composeAttention(inputs: readonly Tensor[], params: AttentionParams): Tensor[] {
  const [q, k, v, mask] = inputs;
  const g = geometry("attention", mask ? [q, k, v, mask] : [q, k, v], params);
  const { backend } = q.storage;
  const rows = [g.batch, g.heads, g.queries];
  if (g.keys === 0) return [q.shape, rows].map((shape) => full(shape, 0, { backend }));
  const { scores, logs, weights } = weigh(q, k, g, mask);
  const top = amax(scores, { shape: [...rows, 1] });
  // The largest score of a row minus its log-sum-exp is the largest of its logs.
  const lse = sub(top, amax(logs, { shape: top.shape }));
  const blind = compare(top, scalarLike(top, hiddenScore), { relation: "le" });
  return [
    swapHeads(matmul(weights, repeatHeads(v, g), {})),
    reshape(where(blind, scalarLike(top, 0), lse), { shape: rows }),
  ];
}

/** Applies dropout to weights [B, H, T, S] or to their gradients. Every call drops the same positions. */
type Drop = (weights: Tensor) => Tensor;

/** Returns the gradients of q, k and v. Recomputes the attention weights instead of using saved ones. */
function gradientsOf(dout: Tensor, [q, k, v, mask]: readonly Tensor[], g: Geometry, drop: Drop): Tensor[] {
  const { queries, keys, bent, weights } = weigh(q, k, g, mask);
  const douts = swapHeads(dout);
  const dweights = drop(matmul(douts, repeatHeads(v, g), { transposeB: true }));
  const inner = mul(weights, sub(dweights, rowSum(mul(dweights, weights))));
  const slope = bent ? mul(inner, affine(square(bent), { scale: -1, shift: 1 })) : inner;
  const dscores = affine(slope, { scale: g.scale });
  return [
    swapHeads(matmul(dscores, keys, {})),
    gatherHeads(matmul(dscores, queries, { transposeA: true }), g),
    gatherHeads(matmul(drop(weights), douts, { transposeA: true }), g),
  ];
}

/** Computes `attentionBackward` from other ops. */
export function composeAttentionBackward(inputs: readonly Tensor[], params: AttentionParams): Tensor[] {
  const [dout, q, k, v, , , ...mask] = inputs;
  const g = geometry("attentionBackward", [q, k, v, ...mask], params);
  return gradientsOf(dout, [q, k, v, ...mask], g, (weights) => weights);
}

/** Computes `attentionDropout` from other ops. All T x S weights are in memory. */
export function composeAttentionDropout(inputs: readonly Tensor[], params: AttentionParams & DropoutParams): Tensor {
  const [q, k, v, mask] = inputs;
  const g = geometry("attentionDropout", inputs, params);
  if (g.keys === 0) return full(q.shape, 0, { backend: q.storage.backend });
  return swapHeads(matmul(dropoutOp(weigh(q, k, g, mask).weights, params), repeatHeads(v, g), {}));
}

/** Computes `attentionDropoutBackward` from other ops. */
export function composeAttentionDropoutBackward(
  [dout, ...inputs]: readonly Tensor[],
  params: AttentionParams & DropoutParams,
): Tensor[] {
  const g = geometry("attentionDropoutBackward", inputs, params);
  return gradientsOf(dout, inputs, g, (weights) => dropoutOp(weights, params));
}
