import type { Conv1dOptions, Conv2dOptions, Tensor } from "@lowrank/core";
// webpack would put functions of the main entry into the first chunk of pages without convolutions.
import { conv1d, conv2d } from "@lowrank/core/functions";

/** Returns the convolution of x with filters of one or two dimensions. */
export function convolve(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions = {}): Tensor {
  return weight.ndim === 3 ? conv1d(x, weight, bias, options as Conv1dOptions) : conv2d(x, weight, bias, options);
}
