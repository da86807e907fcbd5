import {
  type AvgPool1dOptions,
  type AvgPool2dOptions,
  avgPool1d,
  avgPool2d,
  type MaxPool1dOptions,
  type MaxPool2dOptions,
  maxPool1d,
  maxPool2d,
  type Size2d,
  type Tensor,
} from "@lowrank/core";
import { Module } from "../module.ts";

/** A layer that slides windows of a size over its input. */
abstract class Pooling<Size, Options> extends Module {
  readonly kernelSize: Size;
  readonly options: Options;

  constructor(kernelSize: Size, options: Options = {} as Options) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }
}

/** The largest number of each window of [N, C, L]. */
export class MaxPool1d extends Pooling<number, MaxPool1dOptions> {
  forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/** The largest number of each window of [N, C, H, W]. */
export class MaxPool2d extends Pooling<Size2d, MaxPool2dOptions> {
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window of [N, C, L]. */
export class AvgPool1d extends Pooling<number, AvgPool1dOptions> {
  forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window of [N, C, H, W]. */
export class AvgPool2d extends Pooling<Size2d, AvgPool2dOptions> {
  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}
