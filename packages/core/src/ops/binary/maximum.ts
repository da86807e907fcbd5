import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { sumTo } from "../shapes/expand.ts";
import { affine } from "../unary/affine.ts";
import { binary } from "./binary.ts";
import { compare } from "./compare.ts";
import { where } from "./where.ts";

/**
 * Returns the larger of a and b, broadcast; NaN if either is NaN. If a and b are equal, each gets half of the gradient.
 */
export const maximum: Op<2> = defineOp({
  ...binary("maximum", Math.max),
  saves: { inputs: [0, 1] },
  vjp: ({ grads: [dy], inputs: [a, b], needs }) => {
    const shared = where(compare(a, b, { relation: "eq" }), affine(dy, { scale: 0.5 }), dy);
    const unless = (relation: "lt" | "gt") => where(compare(a, b, { relation }), scalarLike(dy, 0), shared);
    return [needs[0] ? sumTo(unless("lt"), a.shape) : null, needs[1] ? sumTo(unless("gt"), b.shape) : null];
  },
});
