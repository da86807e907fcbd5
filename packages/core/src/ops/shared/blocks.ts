import type { Tensor } from "../../engine/tensor.ts";
import { type Shape, sizeOf } from "../../layout/shape.ts";
import { reshape } from "../shapes/reshape.ts";
import { place, slice } from "../shapes/slice.ts";

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
