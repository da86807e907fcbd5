import { type AttentionDropout, defaultGenerator, dropout, type Generator, type Tensor } from "@lowrank/core";
import { Module } from "../module/module.ts";

/**
 * Zeroes entries with probability p while training and scales the rest by 1 / (1 - p)
 * (Srivastava et al. 2014).
 */
export class Dropout extends Module {
  readonly p: number;
  readonly generator: Generator;

  /** `generator`: where the zeros come from; default: the one that `manualSeed` seeds. */
  constructor(p = 0.5, generator: Generator = defaultGenerator) {
    super();
    this.p = p;
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, { p: this.p, generator: this.generator }) : x;
  }

  /** Returns the options by which `attention` drops its weights as this layer drops numbers. */
  ofAttention(): AttentionDropout {
    return this.training ? { dropoutP: this.p, generator: this.generator } : {};
  }
}
