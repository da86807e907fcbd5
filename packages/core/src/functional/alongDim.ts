import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";
import { type DimArgument, dimOptions } from "./dimArgument.ts";

/**
 * Returns exp(x) / sum(exp(x)) along `dim`, without overflow for large x: `softmax(x, { dim: -1 })` or `softmax(x,
 * -1)`.
 */
export function softmax(x: Tensor, dim: DimArgument<ops.SoftmaxParams>): Tensor {
  return ops.softmax(x, dimOptions("softmax", dim, { dim: true }, arguments));
}

/** Returns log(softmax(x)) along `dim`, without overflow for large x. */
export function logSoftmax(x: Tensor, dim: DimArgument<ops.SoftmaxParams>): Tensor {
  return ops.logSoftmax(x, dimOptions("logSoftmax", dim, { dim: true }, arguments));
}

/** Returns cumulative sums along `dim`, accumulated in f64. */
export function cumsum(x: Tensor, dim: DimArgument<{ dim: number }>): Tensor {
  return ops.cumsum(x, dimOptions("cumsum", dim, { dim: true }, arguments));
}
