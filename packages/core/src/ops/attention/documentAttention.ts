import type { TensorSpec } from "../../backends/backend.ts";
import { arange } from "../../creation/create.ts";
import { checkCall, defineOp, expectDType, type Op, type Planned, refuseSurplus } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { compare } from "../binary/compare.ts";
import { reshape } from "../shapes/reshape.ts";
import { attentionBackward, attentionOp } from "./attention.ts";
import { type Geometry, geometry } from "./attentionGeometry.ts";

/** Options of `documentAttention`. */
export interface DocumentAttentionParams {
  /** Factor by which the products of queries and keys are multiplied. Default 1 / sqrt(D). */
  readonly scale?: number;
  /**
   * Sliding window: each query attends to this many positions, including its own. Default: all positions up to its own.
   */
  readonly window?: number;
  /** Soft cap: scores s become softcap * tanh(s / softcap), as in Gemma 2. Default: no cap. */
  readonly softcap?: number;
}

type Params = DocumentAttentionParams;

const name = "documentAttention";

/** Checks the inputs (q, k, v, starts) and returns their sizes. */
function geometryOf(inputs: readonly TensorSpec[], params: Params): Geometry {
  const g = geometry(name, inputs.slice(0, 3), { ...params, causal: true });
  const { shape } = inputs[3];
  expectDType(name, inputs, 3, "i32");
  if (g.queries !== g.capacity || !sameShape(shape, [g.batch, g.queries])) {
    throw new Error(
      `${name}: q ${formatShape(inputs[0].shape)}, k ${formatShape(inputs[1].shape)} and starts ${formatShape(shape)} must be [B,T,H,D], [B,T,Hkv,D] and [B,T]`,
    );
  }
  return g;
}

/**
 * Returns a mask, bool [B, 1, T, T]: true for keys at or after the start of the query's document. `starts`, i32 [B, T],
 * holds the first position of each query's document.
 */
export function documentMask(starts: Tensor): Tensor {
  refuseSurplus("documentMask", 1, arguments);
  const [batch, length] = starts.shape;
  const keys = arange(0, length, { dtype: "i32", backend: starts.storage.backend });
  return compare(keys, reshape(starts, { shape: [batch, 1, length, 1] }), { relation: "ge" });
}

/**
 * The op behind `documentAttention`. Its second output is the log-sum-exp of each query's scores, [B, H, T], which the
 * gradient needs.
 */
export const documentAttentionOp: Op<4, Params, 2, Planned<Params, Geometry>> = defineOp({
  name,
  arity: 4,
  shape: (inputs, params) => {
    const g = geometryOf(inputs, params);
    return [
      { shape: inputs[0].shape, dtype: "f32" },
      { shape: [g.batch, g.heads, g.queries], dtype: "f32" },
    ];
  },
  compose: ([q, k, v, starts], params) => attentionOp(q, k, v, documentMask(starts), { ...params, causal: true }),
  plan: (inputs, _outputs, params) => geometryOf(inputs, params),
  saves: { inputs: [0, 1, 2, 3], outputs: [0, 1] },
  vjp: ({ grads: [dout], inputs: [q, k, v, starts], outputs: [out, lse], params }) => [
    ...documentAttentionBackward(dout, q, k, v, out, lse, starts, params),
    null,
  ],
});

/** The gradient of `documentAttention`: (dout, q, k, v, out, lse, starts) to dq, dk, dv. */
export const documentAttentionBackward: Op<7, Params, 3, Planned<Params, Geometry>> = defineOp({
  name: "documentAttentionBackward",
  arity: 7,
  shape: ([dout, q, k, v, , , starts], params) => {
    geometryOf([q, k, v, starts], params);
    if (!sameShape(dout.shape, q.shape)) {
      throw new Error("documentAttentionBackward: the gradient must have the shape of q");
    }
    return [q, k, v].map(({ shape }): TensorSpec => ({ shape, dtype: "f32" }));
  },
  compose: ([dout, q, k, v, out, lse, starts], params) =>
    attentionBackward(dout, q, k, v, out, lse, documentMask(starts), { ...params, causal: true }),
  plan: ([, q, k, v, , , starts], _outputs, params) => geometryOf([q, k, v, starts], params),
});

/**
 * Causal attention for several documents packed into one row. Each query of q [B, T, H, D] attends to keys and values
 * of k and v [B, T, Hkv, D], from the start of its document up to its own position. `starts`, i32 [B, T], holds the
 * position of the first token of each token's document. The result is [B, T, H, D]. No T x T mask is made.
 */
export function documentAttention(q: Tensor, k: Tensor, v: Tensor, starts: Tensor, options: Params = {}): Tensor {
  checkCall(name, 4, arguments, options, { scale: true, window: true, softcap: true });
  const [out, lse] = documentAttentionOp(q, k, v, starts, options);
  lse.dispose();
  return out;
}
