import { add, type Tensor } from "@lowrank/core";
import { Module, type UnaryModule } from "../module/module.ts";

/** Adds a sub-layer's output to the sub-layer's input. It is a module, so that adapters can wrap it. */
export class Residual extends Module {
  override get layerKind(): "residual" {
    return "residual";
  }

  /** Returns `before` (the sub-layer's input) + `made` (its output). If `norm` is given, it is applied to the sum. */
  forward(made: Tensor, before: Tensor, norm?: UnaryModule): Tensor {
    const sum = add(before, made);
    return norm ? norm.forward(sum) : sum;
  }
}
