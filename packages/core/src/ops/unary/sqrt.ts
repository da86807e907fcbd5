import { defineOp, type Op } from "../../engine/op.ts";
import { div } from "../binary/div.ts";
import { affine } from "./affine.ts";
import { unary } from "./unary.ts";

/** Returns the square root of x, elementwise. */
export const sqrt: Op<1> = defineOp({
  ...unary("sqrt", Math.sqrt),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [div(affine(dy, { scale: 0.5 }), y)],
});
