import { div, doraNorm, rowSquares, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import { type Draw, drawn } from "./draws.ts";
import { Kept } from "./kept.ts";

/** A weight and how it lies. */
interface StoredWeight {
  weight: Tensor;
  fanInFanOut: boolean;
}

/**
 * DoRA's part of one layer: trained lengths for the rows of W + s B A. The lengths that these rows have are kept until
 * something writes into W, A or B, the row squares of W until something writes into W. Liu et al. 2024,
 * https://arxiv.org/abs/2402.09353
 */
export class Magnitude {
  /** [out] */
  readonly parameter: Parameter;
  readonly #scaling: number;
  readonly #squares = new Kept();
  readonly #lengths = new Kept();

  /** Starts as the lengths that the rows have, or as `start` says. */
  constructor(base: StoredWeight, [a, b]: readonly [Tensor, Tensor], scaling: number, start?: Draw) {
    this.#scaling = scaling;
    this.parameter = drawn(start ?? (() => this.#norm(base, a, b, this.#rowSquares(base))), [b.shape[0]]);
  }

  /** What is kept; freed with the layer. */
  get constants(): readonly Tensor[] {
    return [...this.#squares.constants, ...this.#lengths.constants];
  }

  /** What the rows of W + s B A are multiplied by, [out]. */
  scale(base: StoredWeight, a: Tensor, b: Tensor): Tensor {
    const lengths = this.#lengths.get([base.weight, a, b], () => this.#norm(base, a, b, this.#rowSquares(base)));
    return div(this.parameter, lengths);
  }

  /** The same for a weight that passes, of which nothing is kept. */
  scaleOnce(base: StoredWeight, a: Tensor, b: Tensor): Tensor {
    return div(this.parameter, this.#norm(base, a, b));
  }

  #rowSquares({ weight, fanInFanOut }: StoredWeight): Tensor {
    return this.#squares.get([weight], () => rowSquares(weight, { fanInFanOut }));
  }

  #norm({ weight, fanInFanOut }: StoredWeight, a: Tensor, b: Tensor, squares?: Tensor): Tensor {
    return doraNorm(weight, a, b, { scaling: this.#scaling, fanInFanOut, squares });
  }
}
