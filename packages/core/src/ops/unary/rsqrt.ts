import { defineOp, type Op } from "../../engine/op.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { reciprocal } from "./reciprocal.ts";
import { sqrt } from "./sqrt.ts";
import { unary } from "./unary.ts";

/** Returns 1 / sqrt(x), elementwise. */
export const rsqrt: Op<1> = defineOp({
  ...unary("rsqrt", (x) => 1 / Math.sqrt(x)),
  compose: ([x]) => reciprocal(sqrt(x)),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [mul(affine(dy, { scale: -0.5 }), mul(y, mul(y, y)))],
});
