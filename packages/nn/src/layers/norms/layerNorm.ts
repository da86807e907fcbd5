import { layerNorm, ones, scope, type Tensor, zeros } from "@lowrank/core";
import { checkOptions, widen } from "@lowrank/core/internal";
import { Module } from "../../module/module.ts";
import { expectParameter, Parameter } from "../../module/parameter.ts";
import { normalizedSize } from "../layerSizes.ts";

/** Options of a fresh `LayerNorm`. */
export interface LayerNormOptions {
  /** Value added to the variance, so that it is not 0. Default 1e-5. */
  eps?: number;
  /** True for a layer with a bias. Default true. */
  bias?: boolean;
}

/** Layer normalisation over the last dimension (Ba et al. 2016). */
export class LayerNorm extends Module {
  weight: Parameter;
  bias: Parameter | null;
  readonly eps: number;

  /** Creates a layer from existing tensors. */
  constructor(weight: Parameter, bias: Parameter | null, eps: number);
  /** Creates a fresh layer with weight 1 and bias 0, for a last dimension of `normalizedShape`. */
  constructor(normalizedShape: number | readonly number[], options?: LayerNormOptions);
  constructor(
    first: Parameter | number | readonly number[],
    second: Parameter | LayerNormOptions | null = {},
    eps = 1e-5,
  ) {
    super();
    if (typeof first === "number" || Array.isArray(first)) {
      const size = normalizedSize("LayerNorm", first);
      const options = second as LayerNormOptions;
      checkOptions("LayerNorm", options, { eps: true, bias: true });
      this.weight = new Parameter(ones([size]));
      this.bias = options.bias === false ? null : new Parameter(zeros([size]));
      this.eps = options.eps ?? 1e-5;
      return;
    }
    const example = "new LayerNorm(64), or new LayerNorm(weight, bias, eps) with Parameters";
    expectParameter("LayerNorm", "weight", first, example);
    if (second !== null) expectParameter("LayerNorm", "bias", second, example);
    this.weight = first as Parameter;
    this.bias = second as Parameter | null;
    this.eps = eps;
  }

  override get layerKind(): "norm" {
    return "norm";
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this;
    if (bias) return layerNorm(x, widen(weight), widen(bias), { eps });
    return scope(() => layerNorm(x, widen(weight), zeros([weight.size], { backend: x.storage.backend }), { eps }));
  }
}
