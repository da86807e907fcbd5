import {
  type AvgPool1dOptions,
  type AvgPool2dOptions,
  avgPool1d,
  avgPool2d,
  flatten,
  type MaxPool1dOptions,
  type MaxPool2dOptions,
  maxPool1d,
  maxPool2d,
  type Size2d,
  type Tensor,
} from "@lowrank/core";
import { avgPoolKeys, checkOptions, maxPoolKeys, type OptionKeys } from "@lowrank/core/internal";
import { Module } from "../module/module.ts";

/** A layer that slides a window over its input. */
abstract class Pooling<Size, Options extends object> extends Module {
  readonly kernelSize: Size;
  readonly options: Options;

  constructor(kernelSize: Size, options: Options, keys: OptionKeys<Options>) {
    super();
    checkOptions(new.target.name, options, keys);
    this.kernelSize = kernelSize;
    this.options = options;
  }
}

/** Max pooling: the largest element of each window of [N, C, L]. */
export class MaxPool1d extends Pooling<number, MaxPool1dOptions> {
  constructor(kernelSize: number, options: MaxPool1dOptions = {}) {
    super(kernelSize, options, maxPoolKeys);
  }

  forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/** Max pooling: the largest element of each window of [N, C, H, W]. */
export class MaxPool2d extends Pooling<Size2d, MaxPool2dOptions> {
  constructor(kernelSize: Size2d, options: MaxPool2dOptions = {}) {
    super(kernelSize, options, maxPoolKeys);
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** Average pooling: the mean of each window of [N, C, L]. */
export class AvgPool1d extends Pooling<number, AvgPool1dOptions> {
  constructor(kernelSize: number, options: AvgPool1dOptions = {}) {
    super(kernelSize, options, avgPoolKeys);
  }

  forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/** Average pooling: the mean of each window of [N, C, H, W]. */
export class AvgPool2d extends Pooling<Size2d, AvgPool2dOptions> {
  constructor(kernelSize: Size2d, options: AvgPool2dOptions = {}) {
    super(kernelSize, options, avgPoolKeys);
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** Merges the dimensions from `startDim` (default 1) to `endDim` (default: the last one) into one. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(options: { startDim?: number; endDim?: number } = {}) {
    super();
    checkOptions("Flatten", options, { startDim: true, endDim: true });
    this.startDim = options.startDim ?? 1;
    this.endDim = options.endDim ?? -1;
  }

  forward(x: Tensor): Tensor {
    return flatten(x, { startDim: this.startDim, endDim: this.endDim });
  }
}
