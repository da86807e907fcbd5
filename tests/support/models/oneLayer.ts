import type { Tensor } from "@lowrank/core";
import { Module, type UnaryModule } from "@lowrank/nn";

/** A model with a single layer, at the path "layer". */
export class OneLayer extends Module {
  layer: UnaryModule;

  constructor(layer: UnaryModule) {
    super();
    this.layer = layer;
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}
