import { embedding, type Tensor, widen } from "@lowrank/core";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";

/** Rows of `weight` [vocabulary, dim] by id: i32 ids [...] to [..., dim]. */
export class Embedding extends Module {
  weight: Parameter;

  constructor(weight: Parameter) {
    super();
    this.weight = weight;
  }

  forward(ids: Tensor): Tensor {
    return widen(embedding(this.weight, ids));
  }
}
