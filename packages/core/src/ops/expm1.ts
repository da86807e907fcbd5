import { defineOp, type Op } from "../op.ts";
import { affine } from "./affine.ts";
import { mul } from "./mul.ts";
import { unary } from "./unary.ts";

/** exp(x) - 1, exact near 0. */
export const expm1: Op<1> = defineOp({
  ...unary("expm1", Math.expm1),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [mul(dy, affine(y, { shift: 1 }))],
});
