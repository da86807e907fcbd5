import { add, type Tensor } from "@lowrank/core";
import { Module, type UnaryModule } from "../module/module.ts";

/** Adds a sub-layer's output to its input. It is a module, so that adapters can wrap it. */
export class Residual extends Module {
  override get layerKind(): "residual" {
    return "residual";
  }

  /** Returns before + made. `norm` is applied to the sum, for models with a norm there. */
  forward(made: Tensor, before: Tensor, norm?: UnaryModule): Tensor {
    const sum = add(before, made);
    return norm ? norm.forward(sum) : sum;
  }
}
