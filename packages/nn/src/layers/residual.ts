import { add, type Tensor } from "@lowrank/core";
import { Module } from "../module.ts";

/** Adds what a sub-layer made to what went into it: a module, so that adapters can stand here. */
export class Residual extends Module {
  forward(made: Tensor, before: Tensor): Tensor {
    return add(before, made);
  }
}
