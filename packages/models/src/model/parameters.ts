import { full, Generator, randn, type Shape } from "@lowrank/core";
import { Dropout, Embedding, type Linear, linearLayer, Parameter, type UnaryModule } from "@lowrank/nn";

/** The start of a parameter that is not loaded: normal with `std`, or a constant. */
export type Init = { readonly std: number } | { readonly value: number };

/**
 * Gives a model under construction its parameters, by full checkpoint name. The weight of a linear
 * layer may be a packed one, always [out, in].
 */
export type ParameterSource = (name: string, shape: Shape, init: Init) => Parameter;

/** Parameters drawn afresh, as transformers initialises a model without a checkpoint. */
export function randomParameters(generator: Generator): ParameterSource {
  return (_name, shape, init) => {
    using data = "std" in init ? randn(shape, { generator, std: init.std }) : full(shape, init.value);
    return new Parameter(data);
  };
}

const normal: Init = { std: 0.02 };

/**
 * The layer `name` that gives a decoder's logits; where it is tied, with the weight of the
 * embedding [vocabulary, dim].
 */
export function outputLayer(source: ParameterSource, embedding: UnaryModule, tied: boolean, name = "lm_head"): Linear {
  const { weight } = embedding as Embedding;
  return linearLayer(tied ? weight : source(`${name}.weight`, weight.shape, normal));
}

/** Makes parameters and common layers below one path of a model; "" is the model itself. */
export class ParameterPath {
  readonly #source: ParameterSource;
  readonly #path: string;

  constructor(source: ParameterSource, path: string) {
    this.#source = source;
    this.#path = path;
  }

  /** The path one step down. */
  at(name: string): ParameterPath {
    return new ParameterPath(this.#source, this.#below(name));
  }

  /**
   * The parameter `name` at this path; drawn from a normal distribution of std
   * 0.02 where none is loaded.
   */
  parameter(name: string, shape: Shape, init: Init = normal): Parameter {
    return this.#source(this.#below(name), shape, init);
  }

  #below(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  /** A linear layer whose weight is [out, in]. */
  linear(name: string, inFeatures: number, outFeatures: number, bias: boolean): Linear {
    const at = this.at(name);
    const weight = at.parameter("weight", [outFeatures, inFeatures]);
    return linearLayer(weight, bias ? at.parameter("bias", [outFeatures], { value: 0 }) : null);
  }

  /** A table of `rows` vectors, of which that of padding is not trained. */
  embedding(name: string, rows: number, dim: number, paddingIdx: number | null = null): Embedding {
    return new Embedding(this.at(name).parameter("weight", [rows, dim]), { paddingIdx });
  }

  /** Dropout with random numbers of its own: those of seed 0, by its path. */
  dropout(name: string, p: number): Dropout {
    return new Dropout(p, new Generator(0).fork(this.#below(name)));
  }
}
