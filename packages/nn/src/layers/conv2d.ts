import {
  type Conv1dOptions,
  type Conv2dOptions,
  checkOptions,
  conv1d,
  conv2d,
  convKeys,
  type Size2d,
  type Tensor,
} from "@lowrank/core";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";
import { type CreateLayerOptions, createLayerKeys, uniformParameter } from "./uniformParameter.ts";

/** A convolution of [N, C, H, W]; `weight` is [filters, C / groups, height, width]. */
export class Conv2d extends Module {
  weight: Parameter;
  bias: Parameter | null;
  readonly options: Conv2dOptions;

  constructor(weight: Parameter, bias: Parameter | null = null, options: Conv2dOptions = {}) {
    super();
    checkOptions("Conv2d", options, convKeys);
    this.weight = weight;
    this.bias = bias;
    this.options = options;
  }

  /** PyTorch's initialisation, from U(-1/√n, 1/√n) for filters of n numbers. */
  static create(
    inChannels: number,
    outChannels: number,
    kernelSize: Size2d,
    given: Conv2dOptions & CreateLayerOptions = {},
  ): Conv2d {
    checkOptions("Conv2d.create", given, { ...convKeys, ...createLayerKeys });
    const { bias = true, generator, ...options } = given;
    const size = typeof kernelSize === "object" ? kernelSize : [kernelSize, kernelSize];
    const shape = [outChannels, inChannels / (options.groups ?? 1), ...size];
    return new Conv2d(...drawn(shape, bias, generator), options);
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.options);
  }
}

/** A convolution of [N, C, L]; `weight` is [filters, C / groups, length]. */
export class Conv1d extends Module {
  weight: Parameter;
  bias: Parameter | null;
  readonly options: Conv1dOptions;

  constructor(weight: Parameter, bias: Parameter | null = null, options: Conv1dOptions = {}) {
    super();
    checkOptions("Conv1d", options, convKeys);
    this.weight = weight;
    this.bias = bias;
    this.options = options;
  }

  /** PyTorch's initialisation, from U(-1/√n, 1/√n) for filters of n numbers. */
  static create(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    given: Conv1dOptions & CreateLayerOptions = {},
  ): Conv1d {
    checkOptions("Conv1d.create", given, { ...convKeys, ...createLayerKeys });
    const { bias = true, generator, ...options } = given;
    const shape = [outChannels, inChannels / (options.groups ?? 1), kernelSize];
    return new Conv1d(...drawn(shape, bias, generator), options);
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias, this.options);
  }
}

/** The weight of this shape, and a bias for its filters. */
function drawn(
  shape: readonly number[],
  bias: boolean,
  generator: CreateLayerOptions["generator"],
): [Parameter, Parameter | null] {
  const [filters, ...filter] = shape;
  const fanIn = filter.reduce((a, b) => a * b, 1);
  const weight = uniformParameter(shape, fanIn, generator);
  return [weight, bias ? uniformParameter([filters], fanIn, generator) : null];
}
