import { ones, rmsNorm, type Tensor } from "@lowrank/core";
import { checkOptions, widen } from "@lowrank/core/internal";
import { Module } from "../../module/module.ts";
import { expectParameter, Parameter } from "../../module/parameter.ts";
import { normalizedSize } from "../layerSizes.ts";

/** Options of a fresh `RMSNorm`. */
export interface RMSNormOptions {
  /** Value added to the mean square, so that it is not 0. Default: 2^-23, the machine epsilon of f32, as in PyTorch. */
  eps?: number;
}

/** Root-mean-square normalisation over the last dimension (Zhang and Sennrich 2019). */
export class RMSNorm extends Module {
  weight: Parameter;
  readonly eps: number;

  /** Creates a layer from an existing tensor. */
  constructor(weight: Parameter, eps: number);
  /** Creates a fresh layer with weight 1, for a last dimension of `normalizedShape`. */
  constructor(normalizedShape: number | readonly number[], options?: RMSNormOptions);
  constructor(first: Parameter | number | readonly number[], second: number | RMSNormOptions = {}) {
    super();
    if (typeof first === "number" || Array.isArray(first)) {
      const size = normalizedSize("RMSNorm", first);
      const options = second as RMSNormOptions;
      checkOptions("RMSNorm", options, { eps: true });
      this.weight = new Parameter(ones([size]));
      this.eps = options.eps ?? 2 ** -23;
      return;
    }
    expectParameter("RMSNorm", "weight", first, "new RMSNorm(64), or new RMSNorm(weight, eps) with a Parameter");
    this.weight = first as Parameter;
    this.eps = second as number;
  }

  override get layerKind(): "norm" {
    return "norm";
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, widen(this.weight), { eps: this.eps });
  }
}
