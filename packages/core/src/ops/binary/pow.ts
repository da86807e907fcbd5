import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { sumTo } from "../shapes/expand.ts";
import { affine } from "../unary/affine.ts";
import { log } from "../unary/log.ts";
import { binary } from "./binary.ts";
import { compare } from "./compare.ts";
import { mul } from "./mul.ts";
import { where } from "./where.ts";

/**
 * Returns a to the power b as C's pow does: 1 for 1 to the power NaN, and for 1 and -1 to infinite powers. JavaScript's
 * `**` returns NaN in these cases.
 */
function power(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}

/**
 * Returns a to the power b, broadcast. Where b is 0, the gradient of a is 0. Where a is 0 and b is not negative, the
 * gradient of b is 0.
 */
export const pow: Op<2> = defineOp({
  ...binary("pow", power),
  saves: (needs) => ({ inputs: [0, 1], outputs: needs[1] ? [0] : [] }),
  vjp: ({ grads: [dy], inputs: [a, b], outputs: [y], needs }) => {
    const zero = scalarLike(dy, 0);
    let da = null;
    let db = null;
    if (needs[0]) {
      const slope = mul(b, pow(a, affine(b, { shift: -1 })));
      da = sumTo(mul(dy, where(compare(b, zero, { relation: "eq" }), zero, slope)), a.shape);
    }
    if (needs[1]) {
      const slope = mul(y, log(a));
      const atZero = where(compare(b, zero, { relation: "ge" }), zero, slope);
      db = sumTo(mul(dy, where(compare(a, zero, { relation: "eq" }), atZero, slope)), b.shape);
    }
    return [da, db];
  },
});
