import { defineOp, expectDType, type Op } from "../../engine/op.ts";

/** Parameters of `affine`: `scale` (default 1) and `shift` (default 0). With the default shift, -0 stays -0. */
export interface AffineParams {
  readonly scale?: number;
  readonly shift?: number;
}

/** Returns x * scale + shift, with two numbers as constants. */
export const affine: Op<1, AffineParams> = defineOp({
  name: "affine",
  arity: 1,
  options: { scale: true, shift: true },
  shape: (inputs) => {
    expectDType("affine", inputs, 0, "f32");
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([x], [out], { scale = 1, shift = 0 }) => {
    for (let i = 0; i < out.size; i++) out.data[i] = shift === 0 ? x.data[i] * scale : x.data[i] * scale + shift;
  },
  vjp: ({ grads: [dy], params: { scale = 1 } }) => [scale === 1 ? dy : affine(dy, { scale })],
});
