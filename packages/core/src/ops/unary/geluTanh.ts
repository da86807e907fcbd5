import { defineOp, type Op } from "../../engine/op.ts";
import { add } from "../binary/add.ts";
import { mul } from "../binary/mul.ts";
import { activationBackward } from "./activationBackward.ts";
import { affine } from "./affine.ts";
import { sigmoid } from "./sigmoid.ts";
import { tanh } from "./tanh.ts";
import { unary } from "./unary.ts";

const root = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;
const inner = (x: number): number => root * (x + cubic * x * x * x);

/** GELU by its tanh approximation (`gelu_new` and `gelu_pytorch_tanh` in transformers). */
export const geluTanh: Op<1> = defineOp({
  ...unary("geluTanh", (x) => 0.5 * x * (1 + Math.tanh(inner(x)))),
  // (1 + tanh(z)) / 2 is sigmoid(2 z), which stays accurate if tanh is near -1.
  compose: ([x]) => mul(x, sigmoid(mul(x, affine(mul(x, x), { scale: 2 * root * cubic, shift: 2 * root })))),
  saves: { inputs: [0] },
  cheap: true,
  vjp: ({ grads: [dy], inputs: [x] }) => [geluTanhBackward(dy, x)],
});

/** The gradient of `geluTanh` at x. */
export const geluTanhBackward: Op<2> = activationBackward(
  "geluTanhBackward",
  (x) => {
    const t = Math.tanh(inner(x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * cubic * x * x);
  },
  (dy, x) => {
    const squared = mul(x, x);
    const t = tanh(mul(x, affine(squared, { scale: root * cubic, shift: root })));
    const bell = mul(
      affine(mul(t, t), { scale: -0.5, shift: 0.5 }),
      mul(x, affine(squared, { scale: 3 * root * cubic, shift: root })),
    );
    return mul(dy, add(affine(t, { scale: 0.5, shift: 0.5 }), bell));
  },
);
