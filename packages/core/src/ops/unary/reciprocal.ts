import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { unary } from "./unary.ts";

/** Returns 1 / x, elementwise. */
export const reciprocal: Op<1> = defineOp({
  ...unary("reciprocal", (x) => 1 / x),
  compose: ([x]) => div(scalarLike(x, 1), x),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [mul(affine(dy, { scale: -1 }), mul(y, y))],
});
