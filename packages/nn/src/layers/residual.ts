import { add, type Tensor } from "@lowrank/core";
import { Module, type UnaryModule } from "../module.ts";

/** Adds what a sub-layer made to what went into it: a module, so that adapters can stand here. */
export class Residual extends Module {
  /** `norm` comes behind the sum, in models that have it there. */
  forward(made: Tensor, before: Tensor, norm?: UnaryModule): Tensor {
    const sum = add(before, made);
    return norm ? norm.forward(sum) : sum;
  }
}
