import type { Tensor } from "../../engine/tensor.ts";
import { type Shape, sizeOf } from "../../layout/shape.ts";
import { sumTo } from "../shapes/expand.ts";
import { reshape } from "../shapes/reshape.ts";
import { place, slice } from "../shapes/slice.ts";
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

/** Reshapes x (f32 or i32) to [blocks, blockSize], in row-major order. The last block is padded with zeros. */
export function inBlocks(x: Tensor, blockSize: number): Tensor {
  const blocks = Math.ceil(x.size / blockSize);
  const size = blocks * blockSize;
  const flat = reshape(x, { shape: [x.size] });
  const whole = size === x.size ? flat : place(flat, { dim: 0, size, start: 0 });
  return reshape(whole, { shape: [blocks, blockSize] });
}

/** Reverses `inBlocks`: drops the padding and returns the elements in `shape`. */
export function fromBlocks(x: Tensor, shape: Shape): Tensor {
  return reshape(slice(reshape(x, { shape: [x.size] }), { end: sizeOf(shape) }), { shape });
}
