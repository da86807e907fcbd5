import type { Tensor } from "../../engine/tensor.ts";
import { sizeOf } from "../../layout/shape.ts";
import { sumTo } from "../shapes/expand.ts";
import { reshape } from "../shapes/reshape.ts";
import { affine } from "../unary/affine.ts";

/** Returns x [..., n] as a matrix [rows, n]; n may be 0. */
export function asMatrix(x: Tensor): Tensor {
  return reshape(x, { shape: [sizeOf(x.shape.slice(0, -1)), x.shape[x.shape.length - 1]] });
}

/** Returns the sum over the last dimension, which is kept with size 1. */
export function rowSum(x: Tensor): Tensor {
  return sumTo(x, [...x.shape.slice(0, -1), 1]);
}

/** Returns the mean over the last dimension, which is kept with size 1. */
export function rowMean(x: Tensor): Tensor {
  return affine(rowSum(x), { scale: 1 / x.shape[x.shape.length - 1] });
}
