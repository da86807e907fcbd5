import { add, hasIntegerCodes, linear, linearInt8, scope, type Tensor, widen } from "@lowrank/core";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";
import { type CreateLayerOptions, uniformParameter } from "./uniformParameter.ts";

/** y = x Wᵀ + b over the last dimension; `weight` is [out, in]. */
export class Linear extends Module {
  weight: Parameter;
  bias: Parameter | null;
  /**
   * "int8" rounds x to bytes, a scale for each 32 of them, while the weight's codes are
   * integers: fast for these.
   */
  activations: "f32" | "int8" = "f32";

  constructor(weight: Parameter, bias: Parameter | null = null) {
    super();
    this.weight = weight;
    this.bias = bias;
  }

  /** PyTorch's initialisation: weight and bias from U(-1/√in, 1/√in). */
  static create(inFeatures: number, outFeatures: number, { bias = true, generator }: CreateLayerOptions = {}): Linear {
    const weight = uniformParameter([outFeatures, inFeatures], inFeatures, generator);
    return new Linear(weight, bias ? uniformParameter([outFeatures], inFeatures, generator) : null);
  }

  get inFeatures(): number {
    return this.weight.shape[1];
  }

  get outFeatures(): number {
    return this.weight.shape[0];
  }

  /**
   * True if `forward` is x Wᵀ + b, so that an op may take the weight itself;
   * false while x is rounded.
   */
  get isExact(): boolean {
    return this.activations === "f32" || !hasIntegerCodes(this.weight.dtype);
  }

  /** Runs `fn`, which is not async, while x is not rounded. */
  exactly<T>(fn: () => T): T {
    const { activations } = this;
    this.activations = "f32";
    try {
      return fn();
    } finally {
      this.activations = activations;
    }
  }

  forward(x: Tensor): Tensor {
    const { weight, bias } = this;
    if (this.isExact) return linear(x, weight, bias);
    return scope(() => {
      const y = linearInt8(x, weight);
      return bias ? add(y, widen(bias)) : y;
    });
  }
}
