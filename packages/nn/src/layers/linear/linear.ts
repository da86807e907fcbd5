import { add, linear, scope, type Tensor } from "@lowrank/core";
import { checkOptions, linearWithInt8Activations, supportsInt8Activations, widen } from "@lowrank/core/internal";
import { Module } from "../../module/module.ts";
import { expectParameter, type Parameter } from "../../module/parameter.ts";
import { type CreateLayerOptions, createLayerKeys, expectSizes, uniformParameter } from "../layerSizes.ts";

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

/** A linear layer: y = x Wᵀ + b over the last dimension, with `weight` [out, in]. */
export class Linear extends Module {
  weight: Parameter;
  bias: Parameter | null;
  /**
   * "int8" rounds the input x to 8-bit integers, with one scale per 32 elements. This is faster for weights that are
   * nf4, fp4 or a GGUF format with integer codes, and has no effect for others. Default "f32": x is not rounded.
   */
  activations: "f32" | "int8" = "f32";

  /** Creates a layer from existing tensors. */
  constructor(weight: Parameter, bias?: Parameter | null);
  /** Creates a fresh layer with PyTorch's initialisation: weight and bias from U(-1/√in, 1/√in). */
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
   * True if `forward` computes x Wᵀ + b without rounding x. Callers may then compute the result from `weight` and
   * `bias` with another op.
   */
  get isExact(): boolean {
    return this.activations === "f32" || !supportsInt8Activations(this.weight);
  }

  /**
   * Runs `fn`, which must be synchronous, while this layer does not round its input to 8 bits. Returns the result of
   * `fn`.
   */
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
