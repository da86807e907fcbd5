import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, type Op, type Planned } from "../../engine/op.ts";
import { sameShape } from "../../layout/shape.ts";
import type { DropoutParams } from "../random/dropout.ts";
import { composeAttentionDropout, composeAttentionDropoutBackward } from "./attentionComposed.ts";
import { type AttentionParams, type Geometry, geometry } from "./attentionGeometry.ts";

type Params = AttentionParams & DropoutParams;

/**
 * Attention with dropout on the attention weights: maps (q, k, v, mask?) to [B, T, H, D]. It is a separate op, so that
 * kernels of `attention` need not support dropout. The op holds all T x S weights in memory while it runs, but does not
 * save them: the gradient computes them again.
 */
export const attentionDropout: Op<number, Params, 1, Planned<Params, Geometry>> = defineOp({
  name: "attentionDropout",
  arity: [3, 4],
  shape: (inputs, params) => {
    geometry("attentionDropout", inputs, params);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  compose: composeAttentionDropout,
  plan: (inputs, _outputs, params) => geometry("attentionDropout", inputs, params),
  composed: true,
  saves: (needs) => ({ inputs: needs.map((_, i) => i) }),
  vjp: ({ grads: [dout], inputs, params }) => [
    ...attentionDropoutBackward(dout, ...inputs, params),
    ...inputs.slice(3).map(() => null),
  ],
});

/** The gradient of `attentionDropout`: (dout, q, k, v, mask?) to dq, dk, dv. */
export const attentionDropoutBackward: Op<number, Params, 3, Planned<Params, Geometry>> = defineOp({
  name: "attentionDropoutBackward",
  arity: [4, 5],
  shape: ([dout, ...inputs], params) => {
    geometry("attentionDropoutBackward", inputs, params);
    if (!sameShape(dout.shape, inputs[0].shape)) {
      throw new Error("attentionDropoutBackward: the gradient must have the shape of q");
    }
    return inputs.slice(0, 3).map(({ shape }): TensorSpec => ({ shape, dtype: "f32" }));
  },
  compose: composeAttentionDropoutBackward,
  plan: ([, ...inputs], _outputs, params) => geometry("attentionDropoutBackward", inputs, params),
  composed: true,
});
