import { rmsNorm, type Tensor, widen } from "@lowrank/core";
import { Module } from "../module.ts";
import { expectParameter, type Parameter } from "../parameter.ts";

/** Root-mean-square normalisation over the last dimension (Zhang and Sennrich 2019). */
export class RMSNorm extends Module {
  weight: Parameter;
  readonly eps: number;

  constructor(weight: Parameter, eps: number) {
    expectParameter("RMSNorm", "weight", weight, "new RMSNorm(new Parameter(ones([width])), 1e-6)");
    super();
    this.weight = weight;
    this.eps = eps;
  }

  override get layerKind(): "norm" {
    return "norm";
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, widen(this.weight), { eps: this.eps });
  }
}
