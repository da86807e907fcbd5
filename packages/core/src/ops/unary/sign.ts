import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { compare } from "../binary/compare.ts";
import { where } from "../binary/where.ts";
import { unary } from "./unary.ts";

/** Returns -1 for negative x, 1 for positive x, and 0 for zero and NaN. No gradient flows through it. */
export const sign: Op<1> = defineOp({
  ...unary("sign", (x) => (x > 0 ? 1 : x < 0 ? -1 : 0)),
  compose: ([x]) => {
    const [zero, one, minusOne] = [0, 1, -1].map((value) => scalarLike(x, value));
    const negative = where(compare(x, zero, { relation: "lt" }), minusOne, zero);
    return where(compare(x, zero, { relation: "gt" }), one, negative);
  },
  vjp: () => [null],
});
