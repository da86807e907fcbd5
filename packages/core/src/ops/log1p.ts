import { defineOp, type Op } from "../op.ts";
import { affine } from "./affine.ts";
import { div } from "./div.ts";
import { unary } from "./unary.ts";

/** log(1 + x), exact near 0. */
export const log1p: Op<1> = defineOp({
  ...unary("log1p", Math.log1p),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [div(dy, affine(x, { shift: 1 }))],
});
