import { defineOp, type Op } from "../op.ts";
import { unary } from "./unary.ts";

/** -1, 0 or 1 as x is negative, zero (or NaN) or positive; no gradient flows through it. */
export const sign: Op<1> = defineOp({
  ...unary("sign", (x) => (x > 0 ? 1 : x < 0 ? -1 : 0)),
  vjp: () => [null],
});
