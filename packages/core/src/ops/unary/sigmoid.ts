import { defineOp, type Op } from "../../engine/op.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { exp } from "./exp.ts";
import { reciprocal } from "./reciprocal.ts";
import { unary } from "./unary.ts";

/** Returns the logistic function 1 / (1 + exp(-x)), elementwise. */
export const sigmoid: Op<1> = defineOp({
  ...unary("sigmoid", (x) => 1 / (1 + Math.exp(-x))),
  compose: ([x]) => reciprocal(affine(exp(affine(x, { scale: -1 })), { shift: 1 })),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [mul(dy, mul(y, affine(y, { scale: -1, shift: 1 })))],
});
