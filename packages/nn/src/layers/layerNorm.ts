import { checkOptions, layerNorm, ones, type Tensor, widen, zeros } from "@lowrank/core";
import { Module } from "../module.ts";
import { expectParameter, Parameter } from "../parameter.ts";

/** Layer normalisation over the last dimension (Ba et al. 2016). */
export class LayerNorm extends Module {
  weight: Parameter;
  bias: Parameter;
  readonly eps: number;

  constructor(weight: Parameter, bias: Parameter, eps: number) {
    expectParameter("LayerNorm", "weight", weight, "LayerNorm.create(width)");
    super();
    this.weight = weight;
    this.bias = bias;
    this.eps = eps;
  }

  /** PyTorch's initialisation: ones and zeros, for a last dimension of `size`. */
  static create(size: number, options: { eps?: number } = {}): LayerNorm {
    checkOptions("LayerNorm", options, { eps: true });
    const { eps = 1e-5 } = options;
    return new LayerNorm(new Parameter(ones([size])), new Parameter(zeros([size])), eps);
  }

  override get layerKind(): "norm" {
    return "norm";
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, widen(this.weight), widen(this.bias), { eps: this.eps });
  }
}
