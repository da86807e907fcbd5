import { add, mul, scope, type Tensor } from "@lowrank/core";
import type { Module, Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import type { Convolution } from "./convolution.ts";
import { convolve } from "./convolve.ts";

/** The parts of an adapter that adds an update to the filters of a convolution. */
export interface FilterUpdateParts {
  readonly parameters: Record<string, Parameter>;
  /** Submodules of the adapter, keyed by their names in the model. Default: none. */
  readonly modules?: Readonly<Record<string, Module>>;
  /** Computes the update for a weight of the base layer. It has as many elements as the weight. */
  delta(weight: Tensor): Tensor;
  /** Computes the input of the update, such as by dropout. Default: the layer's input. */
  input?(x: Tensor): Tensor;
  /**
   * Returns a factor for each output channel, [filters, 1 ...], null for no factors, or "skip" to leave out the update
   * in this call. Default: null.
   */
  dropped?(): Tensor | null | "skip";
  /** True if an update never depends on random numbers. */
  readonly steady: boolean;
}

/** An adapter that adds an update to the filters of a convolution, with its stride, padding, dilation and groups. */
export class FilterUpdate implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly #base: Convolution;
  readonly #parts: FilterUpdateParts;

  constructor(base: UnaryModule, parts: FilterUpdateParts) {
    this.parameters = parts.parameters;
    this.modules = parts.modules ?? {};
    this.#base = base as Convolution;
    this.#parts = parts;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const y = base.forward(x);
      const factors = this.#parts.dropped?.() ?? null;
      if (factors === "skip") return y;
      const added = this.#added(x);
      return add(y, factors ? mul(added, factors) : added);
    });
  }

  /** Function that computes the update of the outputs. Undefined if it depends on random numbers. */
  get added(): ((x: Tensor) => Tensor) | undefined {
    return this.#parts.steady ? (x) => scope(() => this.#added(x)) : undefined;
  }

  #added(x: Tensor): Tensor {
    const { weight, options } = this.#base;
    const { input = (given: Tensor) => given, delta } = this.#parts;
    return convolve(input(x), delta(weight).reshape(weight.shape), null, options);
  }

  merge({ weight, ...rest }: DenseLayer, bare: DenseLayer): DenseLayer {
    return { weight: add(weight, this.#parts.delta(bare.weight).reshape(weight.shape)), ...rest };
  }
}
