import {
  add,
  checkOptions,
  linear,
  linearWithInt8Activations,
  scope,
  supportsInt8Activations,
  type Tensor,
  widen,
} from "@lowrank/core";
import { Module } from "../module/module.ts";
import { expectParameter, type Parameter } from "../module/parameter.ts";
import { expectSizes } from "./expectSizes.ts";
import { type CreateLayerOptions, createLayerKeys, uniformParameter } from "./uniformParameter.ts";

function drawn(inFeatures: number, outFeatures: number, options: CreateLayerOptions) {
  expectSizes("Linear", [inFeatures, outFeatures], "new Linear(4, 2)");
  checkOptions("Linear", options, createLayerKeys);
  const { bias = true, generator } = options;
  const weight = uniformParameter([outFeatures, inFeatures], inFeatures, generator);
  return { weight, bias: bias ? uniformParameter([outFeatures], inFeatures, generator) : null };
}

function given(weight: Parameter, bias: Parameter | null) {
  const example = "new Linear(inFeatures, outFeatures), or new Linear(weight, bias) with Parameters";
  expectParameter("Linear", "weight", weight, example);
  if (bias !== null) expectParameter("Linear", "bias", bias, example);
  return { weight, bias };
}

/** y = x Wᵀ + b over the last dimension; `weight` is [out, in]. */
export class Linear extends Module {
  weight: Parameter;
  bias: Parameter | null;
  /**
   * "int8" rounds x to bytes, a scale for each 32 of them, while the weight has integer codes or is
   * in nf4 or fp4: fast for these.
   */
  activations: "f32" | "int8" = "f32";

  /** A layer of given tensors. */
  constructor(weight: Parameter, bias?: Parameter | null);
  /** A fresh layer with PyTorch's initialisation: weight and bias from U(-1/√in, 1/√in). */
  constructor(inFeatures: number, outFeatures: number, options?: CreateLayerOptions);
  constructor(first: Parameter | number, second: Parameter | number | null = null, options: CreateLayerOptions = {}) {
    const { weight, bias } =
      typeof first === "number" ? drawn(first, second as number, options) : given(first, second as Parameter | null);
    super();
    this.weight = weight;
    this.bias = bias;
  }

  override get layerKind(): "linear" {
    return "linear";
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
    return this.activations === "f32" || !supportsInt8Activations(this.weight);
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
      const y = linearWithInt8Activations(x, weight);
      return bias ? add(y, widen(bias)) : y;
    });
  }
}
