import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { sumTo } from "../shapes/expand.ts";
import { affine } from "../unary/affine.ts";
import { binary } from "./binary.ts";
import { compare } from "./compare.ts";
import { maximum } from "./maximum.ts";
import { where } from "./where.ts";

/**
 * Returns the smaller of a and b, broadcast; NaN if either is NaN. If a and b are equal, each gets half of the
 * gradient.
 */
export const minimum: Op<2> = defineOp({
  ...binary("minimum", Math.min),
  compose: ([a, b]) => affine(maximum(affine(a, { scale: -1 }), affine(b, { scale: -1 })), { scale: -1 }),
  saves: { inputs: [0, 1] },
  vjp: ({ grads: [dy], inputs: [a, b], needs }) => {
    const shared = where(compare(a, b, { relation: "eq" }), affine(dy, { scale: 0.5 }), dy);
    const unless = (relation: "lt" | "gt") => where(compare(a, b, { relation }), scalarLike(dy, 0), shared);
    return [needs[0] ? sumTo(unless("gt"), a.shape) : null, needs[1] ? sumTo(unless("lt"), b.shape) : null];
  },
});
