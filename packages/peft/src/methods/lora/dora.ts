import { add, div, isGradEnabled, keep, matmul, mul, noGrad, sub, type Tensor } from "@lowrank/core";
import { doraNorm, loraLinear, rowSquares } from "@lowrank/core/internal";
import { Conv1D, type Linear, type Parameter } from "@lowrank/nn";
import { toF32 } from "../../layers/tunerLayer.ts";
import { type Draw, drawn } from "../shared/draws.ts";

interface Source {
  storage: Tensor["storage"];
  version: number;
}

/** Caches a tensor that is computed from other tensors, and computes it again after one of them was written to. */
export class CachedTensor {
  #value: Tensor | undefined;
  #sources: readonly Source[] = [];
  #factor: number | undefined;

  /**
   * A list with the cached tensor, which is freed with the layer that uses it. Empty before the first call of `get`.
   */
  get constants(): readonly Tensor[] {
    return this.#value ? [this.#value] : [];
  }

  /**
   * Returns the result of `make`. Calls it only if one of the tensors `from` or the value `factor` changed since the
   * last call. The result has no gradient.
   */
  get(from: readonly Tensor[], make: () => Tensor, factor?: number): Tensor {
    const fresh =
      this.#factor === factor &&
      this.#sources.length === from.length &&
      from.every(
        ({ storage }, i) => this.#sources[i].storage === storage && this.#sources[i].version === storage.version,
      );
    if (this.#value && fresh) return this.#value;
    this.#value?.dispose();
    this.#sources = from.map(({ storage }) => ({ storage, version: storage.version }));
    this.#factor = factor;
    this.#value = keep(noGrad(make));
    return this.#value;
  }
}

/** A base weight and whether it is stored as [in, out]. */
interface StoredWeight {
  weight: Tensor;
  fanInFanOut: boolean;
}

/** LoRA's factors A and B for a weight W, and their scaling s. DoRA rescales the rows of W + s B A. */
export interface Factors {
  /** LoRA's A, [r, in]. */
  readonly a: Tensor;
  /** LoRA's B, [out, r]. */
  readonly b: Tensor;
  readonly scaling: number;
}

const key = "lora_magnitude_vector";

/** Inputs that DoRA needs to compute a layer's output. */
interface DoraInputs {
  readonly x: Tensor;
  /** x after dropout, or x itself if dropout is off. */
  readonly dropped: Tensor;
  readonly base: Linear | Conv1D;
  readonly factors: Factors;
  /** Returns LoRA's update s (x Aᵀ) Bᵀ. */
  added(x: Tensor): Tensor;
}

/** Creates the magnitudes of a layer, given its base weight and LoRA factors. Their `shape` is [out] by default. */
export type MakeMagnitude = (base: StoredWeight, factors: Factors, shape?: readonly number[]) => Magnitude;

/**
 * DoRA's magnitudes of one layer: a trained length for each row of W + s B A. The squared row norms of W are cached
 * until W changes. Without gradients, the row norms of W + s B A are also cached, until A, B or s changes. Liu et al.
 * 2024, https://arxiv.org/abs/2402.09353
 */
export class Magnitude {
  /** The trained magnitudes, [out], or [1, out, 1 ...] on a convolution. */
  readonly parameter: Parameter;
  /** The magnitudes, keyed by their name in adapter files. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /**
   * Name of the magnitudes in the model, as in PEFT, keyed by their name in adapter files. The name in files lacks
   * `.weight`.
   */
  readonly paths: Readonly<Record<string, string>> = { [key]: `${key}.weight` };
  readonly #squares = new CachedTensor();
  readonly #lengths = new CachedTensor();

  /** Initialises the magnitudes with `start` or, by default, with the row norms of W + s B A. */
  constructor(base: StoredWeight, factors: Factors, start?: Draw, shape: readonly number[] = [factors.b.shape[0]]) {
    const squares = this.#rowSquares(base);
    this.parameter = drawn(start ?? (() => norm(base, factors, squares).reshape(shape)), shape);
    this.parameters = { [key]: this.parameter };
  }

  /** The cached norms. They are freed with the layer. */
  get constants(): readonly Tensor[] {
    return [...this.#squares.constants, ...this.#lengths.constants];
  }

  /**
   * Returns the output of the layer with DoRA: x W + scale x' (W + s B A) - x' W, plus the bias. Here x' is x after
   * dropout. As in PEFT, only the parts that DoRA changes use x'.
   */
  forward({ x, dropped, base, factors, added }: DoraInputs): Tensor {
    const { weight, bias } = base;
    const fanInFanOut = base instanceof Conv1D;
    const scale = this.scale({ weight, fanInFanOut }, factors);
    const exact = (base as Partial<Linear>).isExact ?? true;
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

  /**
   * Returns the factor by which DoRA multiplies each row: the trained magnitude divided by the norm of the row of W + s
   * B A. The shape is [out].
   */
  scale(base: StoredWeight, factors: Factors): Tensor {
    const { a, b, scaling } = factors;
    const lengths = () => norm(base, factors, this.#rowSquares(base));
    const current = isGradEnabled() ? lengths() : this.#lengths.get([base.weight, a, b], lengths, scaling);
    return div(this.#vector, current);
  }

  /** Returns the same factors as `scale`, without caching the norms. */
  scaleOnce(base: StoredWeight, factors: Factors): Tensor {
    return div(this.#vector, norm(base, factors));
  }

  /** The magnitudes as a vector [out]. */
  get #vector(): Tensor {
    return this.parameter.reshape([-1]);
  }

  #rowSquares({ weight, fanInFanOut }: StoredWeight): Tensor {
    return this.#squares.get([weight], () => rowSquares(weight, { fanInFanOut }));
  }
}

function norm({ weight, fanInFanOut }: StoredWeight, { a, b, scaling }: Factors, squares?: Tensor): Tensor {
  return doraNorm(weight, a, b, { scaling, fanInFanOut, squares });
}
