import type { Conv1dOptions, Conv2dOptions, Tensor } from "@lowrank/core";
// webpack would put functions of the main entry into the first chunk of pages without convolutions.
import { conv1d, conv2d } from "@lowrank/core/functions";
import type { Conv1d, Conv2d, UnaryModule } from "@lowrank/nn";

/** A layer whose weight has filters: [filters, channels / groups, ...kernel]. */
export type Convolution = Conv1d | Conv2d;

/** The sizes of a convolution. */
export interface ConvolutionSizes {
  /** Number of input channels of all groups. */
  readonly channels: number;
  /** Number of filters, which is the number of output channels. */
  readonly filters: number;
  readonly groups: number;
  /** The sizes of a filter in each dimension: [length] or [height, width]. */
  readonly kernel: readonly number[];
  /** Number of elements of a filter in one channel. */
  readonly elements: number;
}

/** Returns the sizes of a convolution. */
export function sizesOf(base: UnaryModule): ConvolutionSizes {
  const { weight, options } = base as Convolution;
  const [filters, depth, ...kernel] = weight.shape;
  const { groups = 1 } = options;
  return { channels: depth * groups, filters, groups, kernel, elements: kernel.reduce((a, b) => a * b) };
}

/** Returns the convolution of x with filters of one or two dimensions. */
export function convolve(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions = {}): Tensor {
  return weight.ndim === 3 ? conv1d(x, weight, bias, options as Conv1dOptions) : conv2d(x, weight, bias, options);
}

/** Returns a vector with one value for each channel in the shape in which it multiplies the channels of an output. */
export function byChannel(values: Tensor, { kernel }: ConvolutionSizes): Tensor {
  return values.reshape([-1, ...kernel.map(() => 1)]);
}
