import { linear, type Tensor } from "@lowrank/core";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";

/** GPT-2's linear layer: y = x W + b, with `weight` stored [in, out]. */
export class Conv1D extends Module {
  weight: Parameter;
  bias: Parameter | null;

  constructor(weight: Parameter, bias: Parameter | null = null) {
    super();
    this.weight = weight;
    this.bias = bias;
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
