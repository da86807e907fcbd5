import type { Tensor } from "../../engine/tensor.ts";
import { type Shape, sizeOf } from "../../layout/shape.ts";
import { reshape } from "../shapes/reshape.ts";
import { place, slice } from "../shapes/slice.ts";

/**
 * The elements of x (f32 or i32) in rows of `blockSize`, the last one filled up with
 * zeros: [blocks, blockSize].
 */
export function inBlocks(x: Tensor, blockSize: number): Tensor {
  const blocks = Math.ceil(x.size / blockSize);
  const size = blocks * blockSize;
  const flat = reshape(x, { shape: [x.size] });
  const whole = size === x.size ? flat : place(flat, { dim: 0, size, start: 0 });
  return reshape(whole, { shape: [blocks, blockSize] });
}

/** The elements of `inBlocks` in their own shape again. */
export function fromBlocks(x: Tensor, shape: Shape): Tensor {
  return reshape(slice(reshape(x, { shape: [x.size] }), { end: sizeOf(shape) }), { shape });
}
