import { defineOp, type Op } from "../../engine/op.ts";
import { erf as erfOf } from "../../internal/erf.ts";
import { mul } from "../binary/mul.ts";
import { affine } from "./affine.ts";
import { exp } from "./exp.ts";
import { unary } from "./unary.ts";

/** Returns the error function of x, elementwise. */
export const erf: Op<1> = defineOp({
  ...unary("erf", erfOf),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [
    mul(dy, affine(exp(affine(mul(x, x), { scale: -1 })), { scale: 2 / Math.sqrt(Math.PI) })),
  ],
});
