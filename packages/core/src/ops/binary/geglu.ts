import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { gelu, geluBackward } from "../unary/gelu.ts";
import { geluTanh, geluTanhBackward } from "../unary/geluTanh.ts";
import { checkGated } from "./gated.ts";
import { mul } from "./mul.ts";

/**
 * Options of `geglu`. `approximate` is as in PyTorch: "none" (default) uses the exact error function, "tanh" the
 * approximation.
 */
export interface GegluParams {
  readonly approximate?: "none" | "tanh";
}

function check(op: string, inputs: readonly TensorSpec[], { approximate = "none" }: GegluParams): TensorSpec {
  if (approximate !== "none" && approximate !== "tanh") {
    throw new Error(`${op}: approximate is ${JSON.stringify(approximate)}; give "none" or "tanh"`);
  }
  return checkGated(op, inputs);
}

/** Returns gelu(gate) * up, the gated unit of Gemma's MLP. Shazeer 2020, https://arxiv.org/abs/2002.05202 */
export const geglu: Op<2, GegluParams> = defineOp({
  name: "geglu",
  arity: 2,
  options: { approximate: true },
  shape: (inputs, params) => check("geglu", inputs, params),
  compose: ([gate, up], { approximate }) => mul((approximate === "tanh" ? geluTanh : gelu)(gate), up),
  saves: { inputs: [0, 1] },
  cheap: true,
  vjp: ({ grads: [dy], inputs: [gate, up], params }) => gegluBackward(dy, gate, up, params),
});

/** The gradient of `geglu`: (dy, gate, up) to dgate, dup. */
export const gegluBackward: Op<3, GegluParams, 2> = defineOp({
  name: "gegluBackward",
  arity: 3,
  shape: (inputs, params) => {
    const spec = check("gegluBackward", inputs, params);
    return [spec, spec];
  },
  compose: ([dy, gate, up], { approximate }): Tensor[] => {
    const [activate, slope] = approximate === "tanh" ? [geluTanh, geluTanhBackward] : [gelu, geluBackward];
    return [slope(mul(dy, up), gate), mul(dy, activate(gate))];
  },
});
