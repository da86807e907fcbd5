import { defineOp, type Op } from "../../engine/op.ts";
import { mul } from "../binary/mul.ts";
import { unary } from "./unary.ts";

/** Returns e to the power x, elementwise. */
export const exp: Op<1> = defineOp({
  ...unary("exp", Math.exp),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [mul(dy, y)],
});
