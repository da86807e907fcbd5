import { type Generator, randn, relu, type Tensor, tanh, zeros } from "@lowrank/core";
import { Embedding, type Linear, Module, ModuleDict, Parameter, type PromptLoss, type UnaryModule } from "@lowrank/nn";

/**
 * Computes the table of virtual tokens from trained parameters. The parameters have the same paths as in PEFT's
 * encoders.
 */
export abstract class PromptEncoder extends Module {
  /** Returns the virtual tokens as they are used and stored in files: f32 [number of virtual tokens, width]. */
  abstract rows(): Tensor;

  /** Number of tasks on which the virtual tokens depend. 0: they are the same for all tasks. */
  get tasks(): number {
    return 0;
  }

  /**
   * Returns the virtual tokens of a batch whose row i has the task `taskIds[i]`: f32 [batch, number of virtual tokens,
   * width]. Called only if `tasks` is not 0.
   */
  rowsOf(_taskIds: readonly number[]): Tensor {
    return this.rows();
  }

  /** The loss that replaces a language model's mean cross-entropy. Default: none. */
  get loss(): PromptLoss | null {
    return null;
  }

  /** The parameters that are never trained. */
  get frozen(): readonly Parameter[] {
    return [];
  }

  /** Takes the values of virtual tokens, if `rows()` can be set and is not a parameter itself. */
  setRows(_rows: Tensor): void {}

  /** The parameters that files contain next to the virtual tokens, by file key. */
  get further(): Readonly<Record<string, Parameter>> {
    return {};
  }
}

/** A table of virtual tokens that is trained directly, or that was read from a file. */
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

/** Returns a table of zeros, whose values will be read from a file. */
export function emptyTable(rows: number, width: number): PromptTable {
  using data = zeros([rows, width]);
  return new PromptTable(new Embedding(new Parameter(data)));
}

/** Returns an embedding initialised from N(0, 1), as in PyTorch. */
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

/** Linear layers with activations between them, numbered as in torch.nn.Sequential: "0", "2", ... */
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
