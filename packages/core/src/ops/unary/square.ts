import { defineOp, type Op } from "../../engine/op.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { unary } from "./unary.ts";

/** Returns x * x, elementwise. */
export const square: Op<1> = defineOp({
  ...unary("square", (x) => x * x),
  compose: ([x]) => mul(x, x),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [mul(affine(dy, { scale: 2 }), x)],
});
