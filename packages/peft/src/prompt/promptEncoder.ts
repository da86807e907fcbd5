import { type Generator, randn, relu, type Tensor, tanh, zeros } from "@lowrank/core";
import { Embedding, type Linear, Module, ModuleDict, Parameter, type UnaryModule } from "@lowrank/nn";

/**
 * Makes the rows of virtual tokens out of the parameters that train. Its paths are
 * those of PEFT's encoders.
 */
export abstract class PromptEncoder extends Module {
  /** Returns the rows that act and that files hold: f32 [virtual tokens, width]. */
  abstract rows(): Tensor;
}

/** Rows that train as they are, or that a file gave. */
export class PromptTable extends PromptEncoder {
  embedding: Embedding;

  constructor(embedding: Embedding) {
    super();
    this.embedding = embedding;
  }

  rows(): Tensor {
    return this.embedding.weight;
  }
}

/** A table of zeros, to be filled from a file. */
export function emptyTable(rows: number, width: number): PromptTable {
  using data = zeros([rows, width]);
  return new PromptTable(new Embedding(new Parameter(data)));
}

/** An embedding that starts as PyTorch's: from N(0, 1). */
export function freshEmbedding(rows: number, width: number, generator: Generator): Embedding {
  using data = randn([rows, width], { generator });
  return new Embedding(new Parameter(data));
}

class Activation extends Module {
  readonly #function: (x: Tensor) => Tensor;

  constructor(fn: (x: Tensor) => Tensor) {
    super();
    this.#function = fn;
  }

  forward(x: Tensor): Tensor {
    return this.#function(x);
  }
}

/**
 * Linear layers with an activation between each two, numbered as in
 * torch.nn.Sequential: "0", "2", ...
 */
export class Perceptron extends ModuleDict<UnaryModule> {
  readonly #steps: UnaryModule[] = [];

  constructor(layers: readonly Linear[], activation: "relu" | "tanh") {
    super();
    for (const layer of layers) {
      if (this.#steps.length > 0) this.#append(new Activation(activation === "relu" ? relu : tanh));
      this.#append(layer);
    }
  }

  #append(step: UnaryModule): void {
    this.set(String(this.#steps.length), step);
    this.#steps.push(step);
  }

  forward(x: Tensor): Tensor {
    return this.#steps.reduce((value, step) => step.forward(value), x);
  }
}
