import { defineOp, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import type { TypedArray } from "../../layout/dtype.ts";
import { add } from "../binary/add.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { sumTo } from "../shapes/expand.ts";
import { rowMean } from "../shared/rows.ts";
import { affine } from "../unary/affine.ts";
import { rsqrt } from "../unary/rsqrt.ts";
import { square } from "../unary/square.ts";
import { checkNorm, type NormParams } from "./rmsNorm.ts";

function momentsOfRow(x: TypedArray, start: number, n: number, eps: number): { mean: number; root: number } {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += x[start + i];
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (x[start + i] - mean) ** 2;
  return { mean, root: 1 / Math.sqrt(squares / n + eps) };
}

/**
 * Returns (x - mean) / deviation as `unit` and 1 / deviation [..., 1] as `root`, where deviation is sqrt(var + eps) of
 * each row.
 */
function standardize(x: Tensor, eps: number): { unit: Tensor; root: Tensor } {
  const centred = sub(x, rowMean(x));
  const root = rsqrt(affine(rowMean(square(centred)), { shift: eps }));
  return { unit: mul(centred, root), root };
}

/**
 * Returns (x - mean) / sqrt(var + eps) * weight + bias over the last dimension, with the biased variance; weight and
 * bias are [D]. Ba et al. 2016, https://arxiv.org/abs/1607.06450
 */
export const layerNorm: Op<3, NormParams> = defineOp({
  name: "layerNorm",
  arity: 3,
  options: { eps: true },
  shape: (inputs) => {
    checkNorm("layerNorm", inputs, 1);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([x, weight, bias], [out], { eps }) => {
    const n = weight.size;
    for (let row = 0; row < x.size; row += n) {
      const { mean, root } = momentsOfRow(x.data, row, n, eps);
      for (let i = 0; i < n; i++) {
        out.data[row + i] = (x.data[row + i] - mean) * root * weight.data[i] + bias.data[i];
      }
    }
  },
  compose: ([x, weight, bias], { eps }) => add(mul(standardize(x, eps).unit, weight), bias),
  // The bias is saved only so that the result can be recomputed.
  saves: (needs) => ({ inputs: [...(needs[0] || needs[1] ? [0] : []), ...(needs[0] ? [1, 2] : [])] }),
  cheap: true,
  vjp: ({ grads: [dy], inputs: [x, weight], inputSpecs, needs, params }) => [
    needs[0] ? layerNormBackward(dy, x, weight, params) : null,
    needs[1] ? layerNormWeightBackward(dy, x, params) : null,
    needs[2] ? sumTo(dy, inputSpecs[2].shape) : null,
  ],
});

/** The gradient of `layerNorm` with respect to x: (dy, x, weight) to dx. */
export const layerNormBackward: Op<3, NormParams> = defineOp({
  name: "layerNormBackward",
  arity: 3,
  shape: (inputs) => {
    checkNorm("layerNormBackward", inputs, 2);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([dy, x, weight], [dx], { eps }) => {
    const n = weight.size;
    for (let row = 0; row < x.size; row += n) {
      const { mean, root } = momentsOfRow(x.data, row, n, eps);
      let sum = 0;
      let along = 0;
      for (let i = 0; i < n; i++) {
        const g = dy.data[row + i] * weight.data[i];
        sum += g;
        along += g * (x.data[row + i] - mean);
      }
      const pull = (along * root * root) / n;
      for (let i = 0; i < n; i++) {
        dx.data[row + i] = root * (dy.data[row + i] * weight.data[i] - sum / n - (x.data[row + i] - mean) * pull);
      }
    }
  },
  compose: ([dy, x, weight], { eps }) => {
    const { unit, root } = standardize(x, eps);
    const g = mul(dy, weight);
    return mul(root, sub(sub(g, rowMean(g)), mul(unit, rowMean(mul(g, unit)))));
  },
});

/** The gradient of `layerNorm` with respect to its weight: (dy, x) to [D]. */
export const layerNormWeightBackward: Op<2, NormParams> = defineOp({
  name: "layerNormWeightBackward",
  arity: 2,
  shape: (inputs) => {
    checkNorm("layerNormWeightBackward", inputs, 2);
    return { shape: inputs[0].shape.slice(-1), dtype: "f32" };
  },
  ref: ([dy, x], [dw], { eps }) => {
    const n = dw.size;
    const sums = new Float64Array(n);
    for (let row = 0; row < x.size; row += n) {
      const { mean, root } = momentsOfRow(x.data, row, n, eps);
      for (let i = 0; i < n; i++) sums[i] += dy.data[row + i] * (x.data[row + i] - mean) * root;
    }
    dw.data.set(sums);
  },
  compose: ([dy, x], { eps }) => sumTo(mul(dy, standardize(x, eps).unit), x.shape.slice(-1)),
});
