import { type AttentionDropout, defaultGenerator, dropout, type Generator, type Tensor } from "@lowrank/core";
import { Module } from "../module/module.ts";

/** Zeroes elements with probability p in training mode and scales the rest by 1 / (1 - p) (Srivastava et al. 2014). */
export class Dropout extends Module {
  readonly p: number;
  readonly generator: Generator;

  /** `p` defaults to 0.5. `generator` draws the elements to zero; default: the generator that `manualSeed` seeds. */
  constructor(p = 0.5, generator: Generator = defaultGenerator) {
    super();
    this.p = p;
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, { p: this.p, generator: this.generator }) : x;
  }

  /**
   * Returns the options that make `attention` drop its weights with this layer's p and generator. Empty in evaluation
   * mode.
   */
  ofAttention(): AttentionDropout {
    return this.training ? { dropoutP: this.p, generator: this.generator } : {};
  }
}
