import { defineOp, type Op } from "../op.ts";
import { affine } from "./affine.ts";
import { mul } from "./mul.ts";
import { unary } from "./unary.ts";

/** Sine of radians. */
export const sin: Op<1> = defineOp({
  ...unary("sin", Math.sin),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [mul(dy, cos(x))],
});

/** Cosine of radians. */
export const cos: Op<1> = defineOp({
  ...unary("cos", Math.cos),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [affine(mul(dy, sin(x)), { scale: -1 })],
});
