import { defineOp, type Op } from "../../engine/op.ts";
import { affine } from "../unary/affine.ts";
import { sigmoid } from "../unary/sigmoid.ts";
import { silu } from "../unary/silu.ts";
import { checkGated } from "./gated.ts";
import { mul } from "./mul.ts";
import { sub } from "./sub.ts";

const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x));

/** Returns silu(gate) * up, the gated unit of Llama's MLP. Shazeer 2020, https://arxiv.org/abs/2002.05202 */
export const swiglu: Op<2> = defineOp({
  name: "swiglu",
  arity: 2,
  shape: (inputs) => checkGated("swiglu", inputs),
  ref: ([gate, up], [out]) => {
    for (let i = 0; i < out.size; i++) out.data[i] = gate.data[i] * sigmoidOf(gate.data[i]) * up.data[i];
  },
  compose: ([gate, up]) => mul(silu(gate), up),
  saves: { inputs: [0, 1] },
  cheap: true,
  vjp: ({ grads: [dy], inputs: [gate, up] }) => swigluBackward(dy, gate, up),
});

/** The gradient of `swiglu`: (dy, gate, up) to dgate, dup. */
export const swigluBackward: Op<3, void, 2> = defineOp({
  name: "swigluBackward",
  arity: 3,
  shape: (inputs) => {
    const spec = checkGated("swigluBackward", inputs);
    return [spec, spec];
  },
  ref: ([dy, gate, up], [dgate, dup]) => {
    for (let i = 0; i < dy.size; i++) {
      const s = sigmoidOf(gate.data[i]);
      dgate.data[i] = dy.data[i] * up.data[i] * s * (1 + gate.data[i] * (1 - s));
      dup.data[i] = dy.data[i] * gate.data[i] * s;
    }
  },
  compose: ([dy, gate, up]) => {
    const s = sigmoid(gate);
    const silu = mul(gate, s);
    const slope = mul(s, affine(sub(gate, silu), { shift: 1 }));
    return [mul(mul(dy, up), slope), mul(dy, silu)];
  },
});
