import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, normalizeDim, type Shape, sameShape } from "../../layout/shape.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { sumTo } from "../shapes/expand.ts";
import { alongDim, withSize } from "../shared/alongDim.ts";
import { exp } from "../unary/exp.ts";
import { log } from "../unary/log.ts";
import { amax } from "./amax.ts";

/** Parameters of `softmax` and `logSoftmax`: the dimension, which may be negative. */
export interface SoftmaxParams {
  readonly dim: number;
}

/**
 * Calls `lane(start, n, step)` for each vector of `n` elements along `dim`. Its elements have the offsets start, start
 * + step, ...
 */
function forEachLane(shape: Shape, dim: number, lane: (start: number, n: number, step: number) => void): void {
  const { outer, n, inner } = alongDim("softmax", shape, dim);
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) lane(o * n * inner + i, n, inner);
}

function shapeOf(op: string, inputs: readonly TensorSpec[], { dim }: SoftmaxParams): TensorSpec {
  for (let i = 0; i < inputs.length; i++) {
    expectDType(op, inputs, i, "f32");
    if (!sameShape(inputs[i].shape, inputs[0].shape)) {
      throw new Error(
        `${op}: input ${i} ${formatShape(inputs[i].shape)} must have the shape of input 0, ${formatShape(inputs[0].shape)}`,
      );
    }
  }
  normalizeDim(op, dim, inputs[0].shape.length);
  return { shape: inputs[0].shape, dtype: "f32" };
}

/** Returns the sum along `dim`, which is kept with size 1. */
function sumAlong(x: Tensor, dim: number): Tensor {
  return sumTo(x, withSize(x.shape, normalizeDim("softmax", dim, x.ndim), 1));
}

/** Returns x minus the largest element along `dim`, so that exp does not overflow. */
function belowTop(x: Tensor, dim: number): Tensor {
  if (x.size === 0) return sub(x, x);
  return sub(x, amax(x, { shape: withSize(x.shape, normalizeDim("softmax", dim, x.ndim), 1) }));
}

/** Returns exp(x) / sum(exp(x)) along `dim`, without overflow for large x. */
export const softmax: Op<1, SoftmaxParams> = defineOp({
  name: "softmax",
  arity: 1,
  options: { dim: true },
  shape: (inputs, params) => shapeOf("softmax", inputs, params),
  ref: ([x], [out], { dim }) => {
    forEachLane(x.shape, dim, (start, n, step) => {
      let top = -Infinity;
      for (let i = 0; i < n; i++) top = Math.max(top, x.data[start + i * step]);
      let total = 0;
      for (let i = 0; i < n; i++) total += Math.exp(x.data[start + i * step] - top);
      for (let i = 0; i < n; i++) out.data[start + i * step] = Math.exp(x.data[start + i * step] - top) / total;
    });
  },
  compose: ([x], { dim }) => {
    const powers = exp(belowTop(x, dim));
    return div(powers, sumAlong(powers, dim));
  },
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y], params }) => [softmaxBackward(dy, y, params)],
});

/** The gradient of `softmax`, computed from its output y: (dy, y) to y * (dy - sum(dy * y)). */
export const softmaxBackward: Op<2, SoftmaxParams> = defineOp({
  name: "softmaxBackward",
  arity: 2,
  shape: (inputs, params) => shapeOf("softmaxBackward", inputs, params),
  ref: ([dy, y], [dx], { dim }) => {
    forEachLane(y.shape, dim, (start, n, step) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += dy.data[start + i * step] * y.data[start + i * step];
      for (let i = 0; i < n; i++) {
        const at = start + i * step;
        dx.data[at] = y.data[at] * (dy.data[at] - sum);
      }
    });
  },
  compose: ([dy, y], { dim }) => mul(y, sub(dy, sumAlong(mul(dy, y), dim))),
});

/** Returns log(softmax(x)) along `dim`, without overflow for large x. */
export const logSoftmax: Op<1, SoftmaxParams> = defineOp({
  name: "logSoftmax",
  arity: 1,
  options: { dim: true },
  shape: (inputs, params) => shapeOf("logSoftmax", inputs, params),
  ref: ([x], [out], { dim }) => {
    forEachLane(x.shape, dim, (start, n, step) => {
      let top = -Infinity;
      for (let i = 0; i < n; i++) top = Math.max(top, x.data[start + i * step]);
      let total = 0;
      for (let i = 0; i < n; i++) total += Math.exp(x.data[start + i * step] - top);
      const log = Math.log(total);
      for (let i = 0; i < n; i++) out.data[start + i * step] = x.data[start + i * step] - top - log;
    });
  },
  compose: ([x], { dim }) => {
    const below = belowTop(x, dim);
    return sub(below, log(sumAlong(exp(below), dim)));
  },
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y], params }) => [logSoftmaxBackward(dy, y, params)],
});

/** The gradient of `logSoftmax`, computed from its output y: (dy, y) to dy - exp(y) * sum(dy). */
export const logSoftmaxBackward: Op<2, SoftmaxParams> = defineOp({
  name: "logSoftmaxBackward",
  arity: 2,
  shape: (inputs, params) => shapeOf("logSoftmaxBackward", inputs, params),
  ref: ([dy, y], [dx], { dim }) => {
    forEachLane(y.shape, dim, (start, n, step) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += dy.data[start + i * step];
      for (let i = 0; i < n; i++) {
        const at = start + i * step;
        dx.data[at] = dy.data[at] - Math.exp(y.data[at]) * sum;
      }
    });
  },
  compose: ([dy, y], { dim }) => sub(dy, mul(exp(y), sumAlong(dy, dim))),
});
