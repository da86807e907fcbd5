import { div, doraNorm, isGradEnabled, rowSquares, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import { CachedTensor } from "./cachedTensor.ts";
import { type Draw, drawn } from "./draws.ts";

/** A weight and how it lies. */
interface StoredWeight {
  weight: Tensor;
  fanInFanOut: boolean;
}

/**
 * DoRA's part of one layer: trained lengths for the rows of W + s B A. The row squares of W are
 * kept until something writes into W; without gradients, so are the lengths that the rows of the
 * sum have, until something writes into A or B. Liu et al. 2024, https://arxiv.org/abs/2402.09353
 */
export class Magnitude {
  /** [out] */
  readonly parameter: Parameter;
  #scaling: number;
  readonly #squares = new CachedTensor();
  #lengths = new CachedTensor();

  /** Starts as the lengths that the rows have, or as `start` says. */
  constructor(base: StoredWeight, [a, b]: readonly [Tensor, Tensor], scaling: number, start?: Draw) {
    this.#scaling = scaling;
    const squares = this.#rowSquares(base);
    this.parameter = drawn(start ?? (() => this.#norm(base, a, b, squares)), [b.shape[0]]);
  }

  /** The s of W + s B A. */
  set scaling(value: number) {
    this.#scaling = value;
    for (const lengths of this.#lengths.constants) lengths.dispose();
    this.#lengths = new CachedTensor();
  }

  /** The cached tensors, which are freed with the layer. */
  get constants(): readonly Tensor[] {
    return [...this.#squares.constants, ...this.#lengths.constants];
  }

  /** Returns the factors of the rows of W + s B A, [out]. */
  scale(base: StoredWeight, a: Tensor, b: Tensor): Tensor {
    const lengths = () => this.#norm(base, a, b, this.#rowSquares(base));
    return div(this.parameter, isGradEnabled() ? lengths() : this.#lengths.get([base.weight, a, b], lengths));
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
