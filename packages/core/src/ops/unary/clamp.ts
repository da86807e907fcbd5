import { scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { compare } from "../binary/compare.ts";
import { maximum } from "../binary/maximum.ts";
import { minimum } from "../binary/minimum.ts";
import { where } from "../binary/where.ts";

/** Bounds of `clamp`. Default: no bound on that side. */
export interface ClampParams {
  readonly min?: number;
  readonly max?: number;
}

/** Limits x to `min`..`max`; if min > max the result is `max`. NaN stays NaN. No gradient flows at the bounds. */
export const clamp: Op<1, ClampParams> = defineOp({
  name: "clamp",
  arity: 1,
  options: { min: true, max: true },
  shape: (inputs) => {
    expectDType("clamp", inputs, 0, "f32");
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([x], [out], { min = -Infinity, max = Infinity }) => {
    for (let i = 0; i < out.size; i++) out.data[i] = Math.min(Math.max(x.data[i], min), max);
  },
  compose: ([x], { min = -Infinity, max = Infinity }) => minimum(maximum(x, scalarLike(x, min)), scalarLike(x, max)),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x], params: { min, max } }) => {
    const zero = scalarLike(dy, 0);
    const below = max === undefined ? dy : where(compare(x, scalarLike(x, max), { relation: "lt" }), dy, zero);
    return [min === undefined ? below : where(compare(x, scalarLike(x, min), { relation: "gt" }), below, zero)];
  },
});
