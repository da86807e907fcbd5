import { defineOp, type Op } from "../../engine/op.ts";
import { maximum } from "../binary/maximum.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { sign } from "./sign.ts";
import { unary } from "./unary.ts";

/** Returns the absolute value. Its gradient at 0 is 0. */
export const abs: Op<1> = defineOp({
  ...unary("abs", Math.abs),
  compose: ([x]) => maximum(x, affine(x, { scale: -1 })),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [mul(dy, sign(x))],
});
