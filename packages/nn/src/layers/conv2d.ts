import { type Conv1dOptions, type Conv2dOptions, conv1d, conv2d, type Size2d, type Tensor } from "@lowrank/core";
import { checkOptions, convKeys } from "@lowrank/core/internal";
import { Module } from "../module/module.ts";
import { expectParameter, type Parameter } from "../module/parameter.ts";
import { type CreateLayerOptions, createLayerKeys, expectSizes, uniformParameter } from "./layerSizes.ts";

/** Arguments of a convolution layer: existing filters, or the sizes of filters with random initial values. */
type Filters<Size> =
  | readonly [weight: Parameter, bias?: Parameter | null, options?: Conv2dOptions]
  | readonly [inChannels: number, outChannels: number, kernelSize: Size, options?: Conv2dOptions & CreateLayerOptions];

/** A convolution over one or two dimensions. */
abstract class Convolution extends Module {
  weight: Parameter;
  bias: Parameter | null;
  readonly options: Conv2dOptions;

  constructor(filters: Filters<number | readonly number[]>, dims: 1 | 2) {
    super();
    const { name } = new.target;
    const [first, second] = filters;
    const isFresh = typeof first === "number";
    const given = (filters[isFresh ? 3 : 2] ?? {}) as Conv2dOptions & CreateLayerOptions;
    checkOptions(name, given, isFresh ? { ...convKeys, ...createLayerKeys } : convKeys);
    const { bias = true, generator, ...options } = given;
    this.options = options;
    const example = `new ${name}(1, 4, 3)`;
    if (!isFresh) {
      expectParameter(name, "weight", first, `${example}, or new ${name}(weight, bias) with Parameters`);
      this.weight = first as Parameter;
      this.bias = (second as Parameter | null | undefined) ?? null;
      return;
    }
    const [inChannels, outChannels, kernelSize] = filters as readonly [number, number, number | readonly number[]];
    const size = typeof kernelSize === "object" ? kernelSize : Array<number>(dims).fill(kernelSize);
    const filter = [inChannels / (options.groups ?? 1), ...size];
    expectSizes(name, [outChannels, ...filter], example);
    const fanIn = filter.reduce((a, b) => a * b, 1);
    this.weight = uniformParameter([outChannels, ...filter], fanIn, generator);
    this.bias = bias ? uniformParameter([outChannels], fanIn, generator) : null;
  }
}

/** A convolution of [N, C, H, W]; `weight` is [filters, C / groups, height, width]. */
export class Conv2d extends Convolution {
  /** Creates a layer from existing tensors. */
  constructor(weight: Parameter, bias?: Parameter | null, options?: Conv2dOptions);
  /** Creates a fresh layer with PyTorch's initialisation: U(-1/√n, 1/√n) for filters of n elements. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Size2d,
    options?: Conv2dOptions & CreateLayerOptions,
  );
  constructor(...filters: Filters<Size2d>) {
    super(filters, 2);
  }

  override get layerKind(): "convolution2d" {
    return "convolution2d";
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.options);
  }
}

/** A convolution of [N, C, L]; `weight` is [filters, C / groups, length]. */
export class Conv1d extends Convolution {
  declare readonly options: Conv1dOptions;

  /** Creates a layer from existing tensors. */
  constructor(weight: Parameter, bias?: Parameter | null, options?: Conv1dOptions);
  /** Creates a fresh layer with PyTorch's initialisation: U(-1/√n, 1/√n) for filters of n elements. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options?: Conv1dOptions & CreateLayerOptions,
  );
  constructor(...filters: Filters<number>) {
    super(filters, 1);
  }

  override get layerKind(): "convolution1d" {
    return "convolution1d";
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias, this.options);
  }
}
