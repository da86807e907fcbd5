import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { where } from "../binary/where.ts";
import { abs } from "./abs.ts";
import { affine } from "./affine.ts";
import { log } from "./log.ts";
import { unary } from "./unary.ts";

/** Returns log(1 + x), accurate near 0. */
export const log1p: Op<1> = defineOp({
  ...unary("log1p", Math.log1p),
  // The factor x / ((1 + x) - 1) corrects the rounding of 1 + x. Kahan, as in
  // Goldberg 1991, theorem 4.
  compose: ([x]) => {
    const sum = affine(x, { shift: 1 });
    const roundedX = affine(sum, { shift: -1 });
    const plain = log(sum);
    const roundedToZero = compare(roundedX, scalarLike(x, 0), { relation: "eq" });
    const exact = where(roundedToZero, x, mul(plain, div(x, roundedX)));
    return where(compare(abs(x), scalarLike(x, 1), { relation: "lt" }), exact, plain);
  },
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [div(dy, affine(x, { shift: 1 }))],
});
