import { type Generator, linear, rand, type Tensor } from "@lowrank/core";
import { Module } from "../module.ts";
import { Parameter } from "../parameter.ts";

/** y = x Wᵀ + b over the last dimension; `weight` is [out, in]. */
export class Linear extends Module {
  weight: Parameter;
  bias: Parameter | null;

  constructor(weight: Parameter, bias: Parameter | null = null) {
    super();
    this.weight = weight;
    this.bias = bias;
  }

  /** PyTorch's initialisation: weight and bias from U(-1/√in, 1/√in). */
  static create(inFeatures: number, outFeatures: number, options: { bias?: boolean; generator: Generator }): Linear {
    const bound = 1 / Math.sqrt(inFeatures);
    const { generator } = options;
    const uniform = (shape: number[]) => new Parameter(rand(shape, { generator, low: -bound, high: bound }));
    const weight = uniform([outFeatures, inFeatures]);
    return new Linear(weight, (options.bias ?? true) ? uniform([outFeatures]) : null);
  }

  get inFeatures(): number {
    return this.weight.shape[1];
  }

  get outFeatures(): number {
    return this.weight.shape[0];
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
