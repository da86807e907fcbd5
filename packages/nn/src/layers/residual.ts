import { add, type Tensor } from "@lowrank/core";
import { Module, type UnaryModule } from "../module/module.ts";

/** Adds a sub-layer's output to its input. It is a module, so that adapters can wrap it. */
export class Residual extends Module {
  override get layerKind(): "residual" {
    return "residual";
  }

  /** `norm` comes behind the sum, in models that have it there. */
  forward(made: Tensor, before: Tensor, norm?: UnaryModule): Tensor {
    const sum = add(before, made);
    return norm ? norm.forward(sum) : sum;
  }
}
