import { defineOp, type Op } from "../op.ts";
import { mul } from "./mul.ts";
import { sigmoid } from "./sigmoid.ts";
import { unary } from "./unary.ts";

/** log(1 + exp(x)). */
export const softplus: Op<1> = defineOp({
  ...unary("softplus", (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [mul(dy, sigmoid(x))],
});
