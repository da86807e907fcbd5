import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { where } from "../binary/where.ts";
import { abs } from "./abs.ts";
import { affine } from "./affine.ts";
import { exp } from "./exp.ts";
import { log } from "./log.ts";
import { unary } from "./unary.ts";

/** Returns exp(x) - 1, accurate near 0. */
export const expm1: Op<1> = defineOp({
  ...unary("expm1", Math.expm1),
  // Near 0, where e^x has few digits left, the factor x / log(e^x) corrects the rounding (Kahan).
  compose: ([x]) => {
    const power = exp(x);
    const plain = affine(power, { shift: -1 });
    const isOne = compare(power, scalarLike(x, 1), { relation: "eq" });
    const exact = where(isOne, x, mul(plain, div(x, log(power))));
    return where(compare(abs(x), scalarLike(x, 1), { relation: "lt" }), exact, plain);
  },
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [mul(dy, affine(y, { shift: 1 }))],
});
