import { defineOp, type Op } from "../../engine/op.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { unary } from "./unary.ts";

/** Returns the hyperbolic tangent of x, elementwise. */
export const tanh: Op<1> = defineOp({
  ...unary("tanh", Math.tanh),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [mul(dy, affine(mul(y, y), { scale: -1, shift: 1 }))],
});
