import { defineOp, type Op } from "../../engine/op.ts";
import { sumTo } from "../shapes/expand.ts";
import { affine } from "../unary/affine.ts";
import { binary } from "./binary.ts";
import { mul } from "./mul.ts";

/** Returns a / b, broadcast. */
export const div: Op<2> = defineOp({
  ...binary("div", (a, b) => a / b),
  saves: (needs) => ({ inputs: [1], outputs: needs[1] ? [0] : [] }),
  vjp: ({ grads: [dy], inputs: [, b], outputs: [y], inputSpecs, needs }) => [
    needs[0] ? sumTo(div(dy, b), inputSpecs[0].shape) : null,
    needs[1] ? affine(sumTo(div(mul(dy, y), b), inputSpecs[1].shape), { scale: -1 }) : null,
  ],
});
