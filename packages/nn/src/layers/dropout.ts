import { type AttentionDropout, defaultGenerator, dropout, type Generator, type Tensor } from "@lowrank/core";
import { Module } from "../module/module.ts";

/** Zeroes elements with probability p in training mode and scales the rest by 1 / (1 - p) (Srivastava et al. 2014). */
export class Dropout extends Module {
  readonly p: number;
  readonly generator: Generator;

  /**
   * `p`, the probability that an element is zeroed, defaults to 0.5. `generator` defaults to the one that `manualSeed`
   * seeds.
   */
  constructor(p = 0.5, generator: Generator = defaultGenerator) {
    super();
    this.p = p;
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, { p: this.p, generator: this.generator }) : x;
  }

  /**
   * Returns this layer's p and generator as options for `attention`, to drop attention weights. Empty in evaluation
   * mode.
   */
  ofAttention(): AttentionDropout {
    return this.training ? { dropoutP: this.p, generator: this.generator } : {};
  }
}
