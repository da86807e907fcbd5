import { add, linear, randn, scope, type Tensor, zeros } from "@lowrank/core";
import { checkOptions, linearWithInt8Activations, supportsInt8Activations, widen } from "@lowrank/core/internal";
import { Module } from "../../module/module.ts";
import { expectParameter, Parameter } from "../../module/parameter.ts";
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
   * True if `forward` computes exactly x Wᵀ + b, so that other ops may use the weight instead. False if it rounds x.
   */
  get isExact(): boolean {
    return this.activations === "f32" || !supportsInt8Activations(this.weight);
  }

  /** Runs `fn` (synchronously) with the rounding of x switched off, and returns its result. */
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

/** GPT-2's linear layer: y = x W + b, with `weight` stored [in, out]. */
export class Conv1D extends Module {
  weight: Parameter;
  bias: Parameter | null;

  /** Creates a layer from existing tensors. */
  constructor(weight: Parameter, bias?: Parameter | null);
  /**
   * Creates a fresh layer, with transformers' argument order: `nf` outputs, then `nx` inputs. The weight is drawn from
   * N(0, 0.02²), the bias is zero.
   */
  constructor(nf: number, nx: number, options?: Pick<CreateLayerOptions, "generator">);
  constructor(
    first: Parameter | number,
    second: Parameter | number | null = null,
    options: Pick<CreateLayerOptions, "generator"> = {},
  ) {
    super();
    if (typeof first === "number") {
      expectSizes("Conv1D", [first, second], "new Conv1D(192, 64)");
      checkOptions("Conv1D", options, { generator: true });
      using values = randn([second as number, first], { ...options, std: 0.02 });
      this.weight = new Parameter(values);
      this.bias = new Parameter(zeros([first]));
      return;
    }
    expectParameter("Conv1D", "weight", first, "new Conv1D(192, 64), or new Conv1D(weight, bias) with Parameters");
    this.weight = first;
    this.bias = second as Parameter | null;
  }

  override get layerKind(): "conv1d" {
    return "conv1d";
  }

  get inFeatures(): number {
    return this.weight.shape[0];
  }

  get outFeatures(): number {
    return this.weight.shape[1];
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias, { fanInFanOut: true });
  }
}
