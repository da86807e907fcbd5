import { layerNorm, type Tensor, widen } from "@lowrank/core";
import { Module } from "../module.ts";
import { expectParameter, type Parameter } from "../parameter.ts";

/** Layer normalisation over the last dimension (Ba et al. 2016). */
export class LayerNorm extends Module {
  weight: Parameter;
  bias: Parameter;
  readonly eps: number;

  constructor(weight: Parameter, bias: Parameter, eps: number) {
    expectParameter(
      "LayerNorm",
      "weight",
      weight,
      "new LayerNorm(new Parameter(ones([width])), new Parameter(zeros([width])), 1e-5)",
    );
    super();
    this.weight = weight;
    this.bias = bias;
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, widen(this.weight), widen(this.bias), { eps: this.eps });
  }
}
