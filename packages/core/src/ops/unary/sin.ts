import { defineOp, type Op } from "../../engine/op.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { unary } from "./unary.ts";

/** Returns the sine of x, in radians, elementwise. */
export const sin: Op<1> = defineOp({
  ...unary("sin", Math.sin),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [mul(dy, cos(x))],
});

/** Returns the cosine of x, in radians, elementwise. */
export const cos: Op<1> = defineOp({
  ...unary("cos", Math.cos),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [affine(mul(dy, sin(x)), { scale: -1 })],
});
