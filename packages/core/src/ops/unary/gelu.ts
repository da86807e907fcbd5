import { defineOp, type Op } from "../../engine/op.ts";
import { erf as erfOf } from "../../internal/erf.ts";
import { add } from "../binary/add.ts";
import { mul } from "../binary/mul.ts";
import { activationBackward } from "./activationBackward.ts";
import { affine } from "./affine.ts";
import { erf } from "./erf.ts";
import { exp } from "./exp.ts";
import { unary } from "./unary.ts";

const normal = 1 / Math.sqrt(2 * Math.PI);

/**
 * Exact GELU: x times the cumulative distribution function of the standard normal distribution (Hendrycks and Gimpel,
 * 2016).
 */
export const gelu: Op<1> = defineOp({
  ...unary("gelu", (x) => 0.5 * x * (1 + erfOf(x * Math.SQRT1_2))),
  compose: ([x]) => mul(affine(x, { scale: 0.5 }), affine(erf(affine(x, { scale: Math.SQRT1_2 })), { shift: 1 })),
  saves: { inputs: [0] },
  cheap: true,
  vjp: ({ grads: [dy], inputs: [x] }) => [geluBackward(dy, x)],
});

/** The gradient of `gelu` at x. */
export const geluBackward: Op<2> = activationBackward(
  "geluBackward",
  (x) => 0.5 * (1 + erfOf(x * Math.SQRT1_2)) + x * normal * Math.exp(-0.5 * x * x),
  (dy, x) => {
    const area = affine(erf(affine(x, { scale: Math.SQRT1_2 })), { scale: 0.5, shift: 0.5 });
    const density = affine(exp(affine(mul(x, x), { scale: -0.5 })), { scale: normal });
    return mul(dy, add(area, mul(x, density)));
  },
);
