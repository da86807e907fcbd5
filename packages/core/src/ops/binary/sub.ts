import { defineOp, type Op } from "../../engine/op.ts";
import { sumTo } from "../shapes/expand.ts";
import { affine } from "../unary/affine.ts";
import { add } from "./add.ts";
import { binary } from "./binary.ts";

/** Returns a - b, broadcast. */
export const sub: Op<2> = defineOp({
  ...binary("sub", (a, b) => a - b),
  compose: ([a, b]) => add(a, affine(b, { scale: -1 })),
  vjp: ({ grads: [dy], inputSpecs: [a, b], needs }) => [
    needs[0] ? sumTo(dy, a.shape) : null,
    needs[1] ? affine(sumTo(dy, b.shape), { scale: -1 }) : null,
  ],
});
