import { defineOp, type Op } from "../../engine/op.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { activationBackward } from "./activationBackward.ts";
import { affine } from "./affine.ts";
import { exp } from "./exp.ts";
import { sigmoid } from "./sigmoid.ts";
import { unary } from "./unary.ts";

/** Returns x * sigmoid(x), elementwise. */
export const silu: Op<1> = defineOp({
  ...unary("silu", (x) => x / (1 + Math.exp(-x))),
  compose: ([x]) => div(x, affine(exp(affine(x, { scale: -1 })), { shift: 1 })),
  saves: { inputs: [0] },
  cheap: true,
  vjp: ({ grads: [dy], inputs: [x] }) => [siluBackward(dy, x)],
});

/** The gradient of `silu` at x. */
export const siluBackward: Op<2> = activationBackward(
  "siluBackward",
  (x) => {
    const s = 1 / (1 + Math.exp(-x));
    return s * (1 + x * (1 - s));
  },
  (dy, x) => {
    const s = sigmoid(x);
    const rest = affine(s, { scale: -1, shift: 1 });
    return mul(dy, mul(s, affine(mul(x, rest), { shift: 1 })));
  },
);
