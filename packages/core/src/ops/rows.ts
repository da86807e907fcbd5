import { sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { affine } from "./affine.ts";
import { sumTo } from "./expand.ts";
import { reshape } from "./reshape.ts";

/** x [..., n] as a matrix [rows, n], which a row of no elements has too. */
export function asMatrix(x: Tensor): Tensor {
  return reshape(x, { shape: [sizeOf(x.shape.slice(0, -1)), x.shape[x.shape.length - 1]] });
}

/** Sum over the last dimension, which stays with size 1. */
export function rowSum(x: Tensor): Tensor {
  return sumTo(x, [...x.shape.slice(0, -1), 1]);
}

/** Mean over the last dimension, which stays with size 1. */
export function rowMean(x: Tensor): Tensor {
  return affine(rowSum(x), { scale: 1 / x.shape[x.shape.length - 1] });
}
