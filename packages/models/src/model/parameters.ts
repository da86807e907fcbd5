import { full, Generator, randn, type Shape } from "@lowrank/core";
import { Dropout, Embedding, type Linear, Parameter, type UnaryModule } from "@lowrank/nn";
import { linearLayer } from "@lowrank/nn/internal";

/**
 * Initial values of a parameter that is not loaded: normally distributed with standard deviation `std`, or constant.
 */
export type Init = { readonly std: number } | { readonly value: number };

/**
 * Function that returns a parameter by its full checkpoint name, for a model under construction. Packed weights of
 * linear layers always have the shape [out, in].
 */
export type ParameterSource = (name: string, shape: Shape, init: Init) => Parameter;

/** Returns a source of random parameters, initialised as transformers does for a model without a checkpoint. */
export function randomParameters(generator: Generator): ParameterSource {
  return (_name, shape, init) => {
    using data = "std" in init ? randn(shape, { generator, std: init.std }) : full(shape, init.value);
    return new Parameter(data);
  };
}

const normal: Init = { std: 0.02 };

/**
 * Makes the linear layer `name` that computes a decoder's logits. If `tied` is true, its weight is the embedding's
 * weight [vocabulary, dim].
 */
export function outputLayer(source: ParameterSource, embedding: UnaryModule, tied: boolean, name = "lm_head"): Linear {
  const { weight } = embedding as Embedding;
  return linearLayer(tied ? weight : source(`${name}.weight`, weight.shape, normal));
}

/** Makes the parameters and layers at one path of a model under construction. The path "" is the model itself. */
export class ParameterPath {
  readonly #source: ParameterSource;
  readonly #path: string;

  constructor(source: ParameterSource, path: string) {
    this.#source = source;
    this.#path = path;
  }

  /** Returns the path of the child `name`. */
  at(name: string): ParameterPath {
    return new ParameterPath(this.#source, this.#below(name));
  }

  /** Returns the parameter `name` at this path. By default it is initialised with standard deviation 0.02. */
  parameter(name: string, shape: Shape, init: Init = normal): Parameter {
    return this.#source(this.#below(name), shape, init);
  }

  #below(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  /** Makes a linear layer with weight [out, in]. */
  linear(name: string, inFeatures: number, outFeatures: number, bias: boolean): Linear {
    const at = this.at(name);
    const weight = at.parameter("weight", [outFeatures, inFeatures]);
    return linearLayer(weight, bias ? at.parameter("bias", [outFeatures], { value: 0 }) : null);
  }

  /** Makes an embedding table of `rows` vectors. The vector at `paddingIdx` is not trained. */
  embedding(name: string, rows: number, dim: number, paddingIdx: number | null = null): Embedding {
    return new Embedding(this.at(name).parameter("weight", [rows, dim]), { paddingIdx });
  }

  /** Makes a dropout layer with its own random generator, seeded with 0 and the layer's path. */
  dropout(name: string, p: number): Dropout {
    return new Dropout(p, new Generator(0).fork(this.#below(name)));
  }
}
