import { defineOp, type Op } from "../../engine/op.ts";
import { sumTo } from "../shapes/expand.ts";
import { binary } from "./binary.ts";

/** Returns a + b, broadcast. */
export const add: Op<2> = defineOp({
  ...binary("add", (a, b) => a + b),
  vjp: ({ grads: [dy], inputSpecs: [a, b], needs }) => [
    needs[0] ? sumTo(dy, a.shape) : null,
    needs[1] ? sumTo(dy, b.shape) : null,
  ],
});
