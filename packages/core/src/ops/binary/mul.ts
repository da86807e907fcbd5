import { defineOp, type Op } from "../../engine/op.ts";
import { sumTo } from "../shapes/expand.ts";
import { binary } from "./binary.ts";

/** Returns a * b, broadcast. */
export const mul: Op<2> = defineOp({
  ...binary("mul", (a, b) => a * b),
  saves: (needs) => ({ inputs: [...(needs[1] ? [0] : []), ...(needs[0] ? [1] : [])] }),
  vjp: ({ grads: [dy], inputs: [a, b], inputSpecs, needs }) => [
    needs[0] ? sumTo(mul(dy, b), inputSpecs[0].shape) : null,
    needs[1] ? sumTo(mul(dy, a), inputSpecs[1].shape) : null,
  ],
});
