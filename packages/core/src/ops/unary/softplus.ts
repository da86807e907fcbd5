import { defineOp, type Op } from "../../engine/op.ts";
import { add } from "../binary/add.ts";
import { mul } from "../binary/mul.ts";
import { abs } from "./abs.ts";
import { affine } from "./affine.ts";
import { exp } from "./exp.ts";
import { log1p } from "./log1p.ts";
import { relu } from "./relu.ts";
import { sigmoid } from "./sigmoid.ts";
import { unary } from "./unary.ts";

/** Returns log(1 + exp(x)), elementwise. */
export const softplus: Op<1> = defineOp({
  ...unary("softplus", (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  compose: ([x]) => add(relu(x), log1p(exp(affine(abs(x), { scale: -1 })))),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x] }) => [mul(dy, sigmoid(x))],
});
