import { div, doraNorm, keep, rowSquares, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import { type Draw, drawn } from "./draws.ts";

/** A weight and how it lies. */
interface StoredWeight {
  weight: Tensor;
  fanInFanOut: boolean;
}

/** Row squares of a weight, and what tells whether they still are. */
interface KeptSquares {
  squares: Tensor;
  storage: Tensor["storage"];
  version: number;
}

function squaresOf({ weight, fanInFanOut }: StoredWeight): KeptSquares {
  const { storage } = weight;
  return { squares: keep(rowSquares(weight, { fanInFanOut })), storage, version: storage.version };
}

/**
 * DoRA's part of one layer: trained lengths for the rows of W + s B A. The row squares of W are kept for as long as nothing
 * writes into W. Liu et al. 2024, https://arxiv.org/abs/2402.09353
 */
export class Magnitude {
  /** [out] */
  readonly parameter: Parameter;
  readonly #scaling: number;
  #kept: KeptSquares;

  /** Starts as the lengths that the rows have, or as `start` says. */
  constructor(base: StoredWeight, [a, b]: readonly [Tensor, Tensor], scaling: number, start?: Draw) {
    this.#scaling = scaling;
    this.#kept = squaresOf(base);
    this.parameter = drawn(start ?? (() => this.#norm(base, a, b, this.#kept.squares)), [b.shape[0]]);
  }

  /** What is kept; freed with the layer. */
  get constants(): readonly Tensor[] {
    return [this.#kept.squares];
  }

  /** What the rows of W + s B A are multiplied by, [out]. */
  scale(base: StoredWeight, a: Tensor, b: Tensor): Tensor {
    const { storage } = base.weight;
    if (this.#kept.storage !== storage || this.#kept.version !== storage.version) {
      this.#kept.squares.dispose();
      this.#kept = squaresOf(base);
    }
    return div(this.parameter, this.#norm(base, a, b, this.#kept.squares));
  }

  /** The same for a weight that passes, of which nothing is kept. */
  scaleOnce(base: StoredWeight, a: Tensor, b: Tensor): Tensor {
    return div(this.parameter, this.#norm(base, a, b));
  }

  #norm({ weight, fanInFanOut }: StoredWeight, a: Tensor, b: Tensor, squares?: Tensor): Tensor {
    return doraNorm(weight, a, b, { scaling: this.#scaling, fanInFanOut, squares });
  }
}
