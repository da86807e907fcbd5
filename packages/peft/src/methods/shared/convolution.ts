import { OptionError, type Size2d, type Tensor } from "@lowrank/core";
import type { Conv1d, Conv2d, UnaryModule } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { LayerContext } from "./method.ts";

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

/** Returns a vector with one value for each channel in the shape in which it multiplies the channels of an output. */
export function byChannel(values: Tensor, { kernel }: ConvolutionSizes): Tensor {
  return values.reshape([-1, ...kernel.map(() => 1)]);
}

/** Returns a size for both dimensions as a pair. */
export function inBothDimensions(size: Size2d): readonly [height: number, width: number] {
  return typeof size === "number" ? [size, size] : size;
}

/** Throws if a convolution has groups. `method` is the name of a method that supports one group only, as in PEFT. */
export function expectOneGroup({ base, path }: LayerContext<PeftConfig>, method: string): void {
  const { groups } = sizesOf(base);
  if (groups === 1) return;
  throw new OptionError("", "targetModules", path, (named) => {
    return `${path} has ${groups} groups, and ${method} adapts convolutions with one; leave ${path} out of ${named("targetModules")}`;
  });
}

/** Throws if the filters of a convolution are not square. `method` is the name of a method that requires this. */
export function expectSquareFilters({ base, path }: LayerContext<PeftConfig>, method: string): void {
  const [height, width] = sizesOf(base).kernel;
  if (height === width) return;
  throw new OptionError("", "targetModules", path, (named) => {
    return `${path} has filters of ${height} x ${width}, and ${method} adapts square filters, as in PEFT; leave ${path} out of ${named("targetModules")}`;
  });
}
