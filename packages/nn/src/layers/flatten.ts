import { flatten, type Tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { Module } from "../module/module.ts";

/** Merges the dimensions from `startDim` (default 1) to `endDim` (default: the last one) into one. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(options: { startDim?: number; endDim?: number } = {}) {
    super();
    checkOptions("Flatten", options, { startDim: true, endDim: true });
    this.startDim = options.startDim ?? 1;
    this.endDim = options.endDim ?? -1;
  }

  forward(x: Tensor): Tensor {
    return flatten(x, { startDim: this.startDim, endDim: this.endDim });
  }
}
