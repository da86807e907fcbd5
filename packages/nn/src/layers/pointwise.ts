import {
  type AttentionDropout,
  defaultGenerator,
  dropout,
  type Generator,
  gelu,
  geluTanh,
  relu,
  sigmoid,
  silu,
  type Tensor,
  tanh,
} from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { Module } from "../module/module.ts";

/** ReLU: max(x, 0), elementwise. */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** GELU: x times the standard normal distribution function of x. Hendrycks and Gimpel 2016. */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";

  /** `approximate`: "tanh" selects the approximation that GPT-2 uses. Default "none": exact. */
  constructor(options: { approximate?: "none" | "tanh" } = {}) {
    super();
    checkOptions("GELU", options, { approximate: true });
    this.approximate = options.approximate ?? "none";
  }

  forward(x: Tensor): Tensor {
    return this.approximate === "tanh" ? geluTanh(x) : gelu(x);
  }
}

/** SiLU: x * sigmoid(x), elementwise. */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** Tanh: the hyperbolic tangent, elementwise. */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** Sigmoid: 1 / (1 + exp(-x)), elementwise. */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

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
