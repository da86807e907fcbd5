import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import type { TypedArray } from "../../layout/dtype.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { sumTo } from "../shapes/expand.ts";
import { rowMean } from "../shared/rows.ts";
import { affine } from "../unary/affine.ts";
import { rsqrt } from "../unary/rsqrt.ts";
import { square } from "../unary/square.ts";

/**
 * Parameters of `rmsNorm` and `layerNorm`: `eps` is added to the mean square (`layerNorm`: to the variance) before the
 * square root.
 */
export interface NormParams {
  readonly eps: number;
}

/**
 * Throws unless all inputs are f32, the inputs before index `first` have one shape [..., D], and the other inputs are
 * [D].
 */
export function checkNorm(op: string, inputs: readonly TensorSpec[], first: number): void {
  const { shape } = inputs[0];
  const width = shape[shape.length - 1];
  for (let i = 0; i < inputs.length; i++) {
    expectDType(op, inputs, i, "f32");
    const wanted = i < first ? shape : [width];
    if (!sameShape(inputs[i].shape, wanted) || shape.length === 0) {
      throw new Error(`${op}: input ${i} ${formatShape(inputs[i].shape)} must be ${formatShape(wanted)}`);
    }
  }
}

function rootOfRow(x: TypedArray, start: number, n: number, eps: number): number {
  let squares = 0;
  for (let i = 0; i < n; i++) squares += x[start + i] * x[start + i];
  return 1 / Math.sqrt(squares / n + eps);
}

const rootOfRows = (x: Tensor, eps: number): Tensor => rsqrt(affine(rowMean(square(x)), { shift: eps }));

/**
 * Returns x / sqrt(mean(x²) + eps) * weight over the last dimension; weight is [D]. Zhang and Sennrich 2019,
 * https://arxiv.org/abs/1910.07467
 */
export const rmsNorm: Op<2, NormParams> = defineOp({
  name: "rmsNorm",
  arity: 2,
  options: { eps: true },
  shape: (inputs) => {
    checkNorm("rmsNorm", inputs, 1);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([x, weight], [out], { eps }) => {
    const n = weight.size;
    for (let row = 0; row < x.size; row += n) {
      const root = rootOfRow(x.data, row, n, eps);
      for (let i = 0; i < n; i++) out.data[row + i] = x.data[row + i] * root * weight.data[i];
    }
  },
  compose: ([x, weight], { eps }) => mul(mul(x, rootOfRows(x, eps)), weight),
  saves: (needs) => ({ inputs: needs[0] ? [0, 1] : [0] }),
  cheap: true,
  vjp: ({ grads: [dy], inputs: [x, weight], needs, params }) => [
    needs[0] ? rmsNormBackward(dy, x, weight, params) : null,
    needs[1] ? rmsNormWeightBackward(dy, x, params) : null,
  ],
});

/** The gradient of `rmsNorm` with respect to x: (dy, x, weight) to dx. */
export const rmsNormBackward: Op<3, NormParams> = defineOp({
  name: "rmsNormBackward",
  arity: 3,
  shape: (inputs) => {
    checkNorm("rmsNormBackward", inputs, 2);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([dy, x, weight], [dx], { eps }) => {
    const n = weight.size;
    for (let row = 0; row < x.size; row += n) {
      const root = rootOfRow(x.data, row, n, eps);
      let along = 0;
      for (let i = 0; i < n; i++) along += dy.data[row + i] * weight.data[i] * x.data[row + i];
      const pull = (along * root * root) / n;
      for (let i = 0; i < n; i++) {
        dx.data[row + i] = root * (dy.data[row + i] * weight.data[i] - x.data[row + i] * pull);
      }
    }
  },
  compose: ([dy, x, weight], { eps }) => {
    const unit = mul(x, rootOfRows(x, eps));
    const g = mul(dy, weight);
    return mul(rootOfRows(x, eps), sub(g, mul(unit, rowMean(mul(g, unit)))));
  },
});

/** The gradient of `rmsNorm` with respect to its weight: (dy, x) to [D]. */
export const rmsNormWeightBackward: Op<2, NormParams> = defineOp({
  name: "rmsNormWeightBackward",
  arity: 2,
  shape: (inputs) => {
    checkNorm("rmsNormWeightBackward", inputs, 2);
    return { shape: inputs[0].shape.slice(-1), dtype: "f32" };
  },
  ref: ([dy, x], [dw], { eps }) => {
    const n = dw.size;
    const sums = new Float64Array(n);
    for (let row = 0; row < x.size; row += n) {
      const root = rootOfRow(x.data, row, n, eps);
      for (let i = 0; i < n; i++) sums[i] += dy.data[row + i] * x.data[row + i] * root;
    }
    dw.data.set(sums);
  },
  compose: ([dy, x], { eps }) => sumTo(mul(dy, mul(x, rootOfRows(x, eps))), x.shape.slice(-1)),
});
