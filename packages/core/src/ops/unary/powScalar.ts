import { full, scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { mul } from "../binary/mul.ts";
import { pow } from "../binary/pow.ts";
import { affine } from "./affine.ts";
import { reciprocal } from "./reciprocal.ts";
import { rsqrt } from "./rsqrt.ts";
import { sqrt } from "./sqrt.ts";
import { square } from "./square.ts";

/** Parameters of `powScalar`. */
export interface PowScalarParams {
  readonly exponent: number;
}

/**
 * Exponents for which PyTorch calls a function other than pow (such as sqrt for 0.5), with the op for that function.
 * Some of these functions differ from pow at -Infinity: sqrt returns NaN, and pow returns Infinity.
 */
const others: ReadonlyMap<number, Op<1>> = new Map([
  [2, square],
  [0.5, sqrt],
  [-0.5, rsqrt],
  [-1, reciprocal],
]);

/** Returns x to a constant power. The gradient is the exponent times x to the power exponent - 1. */
export const powScalar: Op<1, PowScalarParams> = defineOp({
  name: "powScalar",
  arity: 1,
  options: { exponent: true },
  shape: (inputs) => {
    expectDType("powScalar", inputs, 0, "f32");
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  compose: ([x], { exponent }) => others.get(exponent)?.(x) ?? pow(x, scalarLike(x, exponent)),
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [x], params: { exponent } }) => {
    if (exponent === 0) return [full(dy.shape, 0, { backend: dy.storage.backend })];
    return [mul(dy, affine(powScalar(x, { exponent: exponent - 1 }), { scale: exponent }))];
  },
});
