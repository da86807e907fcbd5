import {
  type AttentionDropout,
  add,
  affine,
  dropout,
  formatShape,
  gt,
  matmul,
  pad,
  scaledDotProductAttention,
  softmax,
  type Tensor,
  where,
} from "@lowrank/core";

/** Masks of `MultiheadAttention`, as in PyTorch. */
export interface AttentionMasks {
  /** True, or -inf, for keys to ignore: [N, S], or [S] for inputs without a batch. Default: none. */
  keyPaddingMask?: Tensor | null;
  /**
   * True for keys that a query does not see, or f32 values that are added to the scores. [L, S], or [N numHeads, L, S].
   * Default: none.
   */
  attnMask?: Tensor | null;
}

/** The sizes of one call: N rows of L queries and S keys. `added` more keys follow the S ones. */
export interface AttentionCallSizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly added: number;
}

/** A mask for the scores [N, H, L, S]. */
export interface ScoreMask {
  /** Values to add to the scores. Hidden keys have `hidden` or less. */
  readonly values: Tensor;
  /** True if `values` contains values of a mask that the caller gave in f32. */
  readonly isSoft: boolean;
}

/** The value that hides a key. It is finite, so that a query without a visible key gets finite weights. */
const hidden = -1e30;

function asValues(name: string, mask: Tensor, shapes: readonly (readonly number[])[]): Tensor {
  if (!shapes.some((shape) => `${shape}` === `${mask.shape}`)) {
    const expected = shapes.map(formatShape).join(" or ");
    throw new Error(`MultiheadAttention: ${name} is ${formatShape(mask.shape)}; it must be ${expected}`);
  }
  return mask.dtype === "f32" ? where(gt(mask, hidden), mask, hidden) : where(mask, hidden, 0);
}

function isVisible({ values }: ScoreMask): Tensor {
  return gt(values, hidden / 2);
}

/** Returns the masks of a call as values that are added to the scores. Null if there is no mask. */
export function scoreMask({ keyPaddingMask, attnMask }: AttentionMasks, sizes: AttentionCallSizes): ScoreMask | null {
  const { batch, heads, queries, keys, added } = sizes;
  const given = [keyPaddingMask, attnMask].filter((mask) => mask != null);
  if (given.length === 0) return null;
  const parts: Tensor[] = [];
  if (attnMask) {
    const values = asValues("attnMask", attnMask, [
      [queries, keys],
      [batch * heads, queries, keys],
    ]);
    parts.push(attnMask.ndim === 3 ? values.reshape([batch, heads, queries, keys]) : values);
  }
  if (keyPaddingMask) {
    const shapes = batch === 1 ? [[batch, keys], [keys]] : [[batch, keys]];
    parts.push(asValues("keyPaddingMask", keyPaddingMask, shapes).reshape([batch, 1, 1, keys]));
  }
  const sum = parts.reduce((a, b) => add(a, b));
  return { values: added > 0 ? pad(sum, [0, added]) : sum, isSoft: given.some(({ dtype }) => dtype === "f32") };
}

/** The tensors of attention by heads: q [N, H, L, D], k and v [N, H, S, D]. */
export interface HeadTensors {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** Returns the sums of the values, [N, H, L, D], by the fused attention. `isCausal` replaces the mask. */
export function attendFused(
  { q, k, v }: HeadTensors,
  mask: ScoreMask | null,
  isCausal: boolean,
  drops: AttentionDropout,
): Tensor {
  if (isCausal || !mask) return scaledDotProductAttention(q, k, v, { isCausal, ...drops });
  return scaledDotProductAttention(q, k, v, { mask: isVisible(mask), ...drops });
}

/**
 * Returns the sums of the values, [N, H, L, D], and the attention weights after dropout, [N, H, L, S]. A query without
 * a visible key has weights of zero.
 */
export function attendWeighted(
  { q, k, v }: HeadTensors,
  mask: ScoreMask | null,
  drops: AttentionDropout,
): { sums: Tensor; weights: Tensor } {
  const products = affine(matmul(q, k, { transposeB: true }), { scale: 1 / Math.sqrt(q.shape[3]) });
  let weights = softmax(mask ? add(products, mask.values) : products, { dim: -1 });
  if (mask) weights = where(isVisible(mask), weights, 0);
  const { dropoutP = 0, generator } = drops;
  if (dropoutP > 0) weights = dropout(weights, { p: dropoutP, generator });
  const sums = matmul(weights, v);
  return { sums, weights };
}
