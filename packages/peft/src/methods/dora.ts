import { div, doraNorm, keep, rowSquares, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";

/** A weight and how it lies. */
interface StoredWeight {
  weight: Tensor;
  fanInFanOut: boolean;
}

/**
 * DoRA's part of one layer: trained lengths for the rows of W + s B A. The row squares of W are kept from one step to the
 * next for as long as nothing writes into W. Liu et al. 2024, https://arxiv.org/abs/2402.09353
 */
export class Magnitude {
  /** [out] */
  readonly parameter: Parameter;
  readonly #scaling: number;
  #kept: { squares: Tensor; storage: Tensor["storage"]; version: number } | null = null;

  constructor(parameter: Parameter, scaling: number) {
    this.parameter = parameter;
    this.#scaling = scaling;
  }

  /** What is kept; freed with the layer. */
  get constants(): readonly Tensor[] {
    return this.#kept ? [this.#kept.squares] : [];
  }

  /** What the rows of W + s B A are multiplied by, [out]. */
  scale(base: StoredWeight, a: Tensor, b: Tensor): Tensor {
    return this.#over(base, a, b, this.#squares(base));
  }

  /** The same for a weight that passes, of which nothing is kept. */
  scaleOnce(base: StoredWeight, a: Tensor, b: Tensor): Tensor {
    return this.#over(base, a, b);
  }

  #over({ weight, fanInFanOut }: StoredWeight, a: Tensor, b: Tensor, squares?: Tensor): Tensor {
    return div(this.parameter, doraNorm(weight, a, b, { scaling: this.#scaling, fanInFanOut, squares }));
  }

  #squares({ weight, fanInFanOut }: StoredWeight): Tensor {
    const { storage } = weight;
    const { version } = storage;
    if (this.#kept?.storage === storage && this.#kept.version === version) return this.#kept.squares;
    this.#kept?.squares.dispose();
    this.#kept = { squares: keep(rowSquares(weight, { fanInFanOut })), storage, version };
    return this.#kept.squares;
  }
}
