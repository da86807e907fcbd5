import { layerNorm as normalise, type Tensor, zeros } from "@lowrank/core";
import { widen } from "@lowrank/core/internal";
import { LayerNorm, Module, type Parameter } from "@lowrank/nn";
import type { ParameterPath } from "../model/parameters.ts";

/**
 * Makes layer normalisation over `dim` elements, with parameters at the child path `name`, or at `path` itself if
 * `name` is "". This function has its own file, so that models with RMSNorm do not load it.
 */
export function layerNorm(path: ParameterPath, name: string, dim: number, eps: number): LayerNorm {
  const at = name === "" ? path : path.at(name);
  return new LayerNorm(at.parameter("weight", [dim], { value: 1 }), at.parameter("bias", [dim], { value: 0 }), eps);
}

/** Layer normalisation without a bias. */
export class ScaledLayerNorm extends Module {
  weight: Parameter;
  readonly eps: number;

  constructor(path: ParameterPath, dim: number, eps: number) {
    super();
    this.weight = path.parameter("weight", [dim], { value: 1 });
    this.eps = eps;
  }

  override get layerKind(): "norm" {
    return "norm";
  }

  forward(x: Tensor): Tensor {
    const none = zeros(this.weight.shape, { backend: x.storage.backend });
    return normalise(x, widen(this.weight), none, { eps: this.eps });
  }
}
