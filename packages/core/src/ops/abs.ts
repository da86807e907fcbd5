import { defineOp, type Op } from "../op.ts";
import { mul } from "./mul.ts";
import { sign } from "./sign.ts";
import { unary } from "./unary.ts";

/** Absolute value; its gradient at 0 is 0. */
export const abs: Op<1> = defineOp({
  ...unary("abs", Math.abs),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [mul(dy, sign(x))],
});
