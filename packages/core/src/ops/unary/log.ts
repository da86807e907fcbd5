import { defineOp, type Op } from "../../engine/op.ts";
import { div } from "../binary/div.ts";
import { unary } from "./unary.ts";

/** Returns the natural logarithm: -Infinity at 0, NaN below. */
export const log: Op<1> = defineOp({
  ...unary("log", Math.log),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [div(dy, x)],
});
