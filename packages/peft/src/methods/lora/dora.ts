import { add, div, isGradEnabled, matmul, mul, sub, type Tensor } from "@lowrank/core";
import { doraNorm, loraLinear, rowSquares } from "@lowrank/core/internal";
import { Conv1D, type Linear, type Parameter } from "@lowrank/nn";
import { toF32 } from "../../layers/tunerLayer.ts";
import { CachedTensor } from "../shared/cachedTensor.ts";
import { type Draw, drawn } from "../shared/draws.ts";

/** A weight and its storage layout. */
interface StoredWeight {
  weight: Tensor;
  fanInFanOut: boolean;
}

/** LoRA's factors for a weight W: DoRA rescales the rows of W + s B A. */
export interface Factors {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  readonly scaling: number;
}

const key = "lora_magnitude_vector";

/** The tensors and the layer from which DoRA's output is computed. */
interface DoraInputs {
  readonly x: Tensor;
  /** x after dropout; x itself without dropout. */
  readonly dropped: Tensor;
  readonly base: Linear | Conv1D;
  readonly factors: Factors;
  /** Computes LoRA's s (x Aᵀ) Bᵀ. */
  added(x: Tensor): Tensor;
}

/** Makes DoRA's part of a layer, for factors on a base weight. */
export type MakeMagnitude = (base: StoredWeight, factors: Factors) => Magnitude;

/**
 * DoRA's part of one layer: trained lengths (magnitudes) for the rows of W + s B A. The squared row norms of W are
 * cached until W is written to. Without gradients, the row norms of the sum are also cached, until A, B or the scaling
 * changes. Liu et al. 2024, https://arxiv.org/abs/2402.09353
 */
export class Magnitude {
  /** [out] */
  readonly parameter: Parameter;
  /** The parameter by its name in files. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** The parameter's name in the model, as in PEFT, by its name in files, which omits `.weight`. */
  readonly paths: Readonly<Record<string, string>> = { [key]: `${key}.weight` };
  readonly #squares = new CachedTensor();
  readonly #lengths = new CachedTensor();

  /** Initialises the magnitudes with the current row norms, or by `start`. */
  constructor(base: StoredWeight, factors: Factors, start?: Draw) {
    const squares = this.#rowSquares(base);
    this.parameter = drawn(start ?? (() => norm(base, factors, squares)), [factors.b.shape[0]]);
    this.parameters = { [key]: this.parameter };
  }

  /** The cached tensors, which are freed with the layer. */
  get constants(): readonly Tensor[] {
    return [...this.#squares.constants, ...this.#lengths.constants];
  }

  /**
   * Returns DoRA's output. As in PEFT, dropout applies to everything that the scale changes: x W + scale x' (W + s B A)
   * - x' W.
   */
  forward({ x, dropped, base, factors, added }: DoraInputs): Tensor {
    const { weight, bias } = base;
    const fanInFanOut = base instanceof Conv1D;
    const scale = this.scale({ weight, fanInFanOut }, factors);
    const exact = base instanceof Conv1D || base.isExact;
    const product = (input: Tensor) => {
      if (exact) return matmul(input, weight, { transposeB: !fanInFanOut });
      const y = base.forward(input);
      return bias ? sub(y, toF32(bias)) : y;
    };
    let y: Tensor;
    if (dropped !== x) {
      const plain = product(dropped);
      y = add(product(x), sub(mul(add(plain, added(dropped)), scale), plain));
    } else {
      const { a, b, scaling } = factors;
      const sum = exact && !fanInFanOut ? loraLinear(x, weight, a, b, { scaling }) : add(product(x), added(x));
      y = mul(sum, scale);
    }
    return bias ? add(y, toF32(bias)) : y;
  }

  /** Returns the factors of the rows of W + s B A, [out]. */
  scale(base: StoredWeight, factors: Factors): Tensor {
    const { a, b, scaling } = factors;
    const lengths = () => norm(base, factors, this.#rowSquares(base));
    return div(this.parameter, isGradEnabled() ? lengths() : this.#lengths.get([base.weight, a, b], lengths, scaling));
  }

  /** The same without caching, for a weight that is used once. */
  scaleOnce(base: StoredWeight, factors: Factors): Tensor {
    return div(this.parameter, norm(base, factors));
  }

  #rowSquares({ weight, fanInFanOut }: StoredWeight): Tensor {
    return this.#squares.get([weight], () => rowSquares(weight, { fanInFanOut }));
  }
}

function norm({ weight, fanInFanOut }: StoredWeight, { a, b, scaling }: Factors, squares?: Tensor): Tensor {
  return doraNorm(weight, a, b, { scaling, fanInFanOut, squares });
}
