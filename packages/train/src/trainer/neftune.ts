import { add, Generator, OptionError, rand, type Tensor } from "@lowrank/core";
import type { TrainableModule } from "../data/batches/modelBatch.ts";

interface EmbeddingModule {
  readonly training: boolean;
  forward(...inputs: unknown[]): Tensor;
}

/**
 * Adds random noise to the token embeddings during training (NEFTune), as transformers does. Jain et al. 2023,
 * https://arxiv.org/abs/2310.05914
 */
export class Neftune {
  readonly generator: Generator;
  readonly #module: EmbeddingModule;
  readonly #alpha: number;

  /** Throws if the model has no embedding, or if `alpha` is negative. */
  constructor(model: TrainableModule, alpha: number, seed: number) {
    if (!(alpha >= 0)) throw refused(alpha, `is ${alpha}; give a number of at least 0, such as 5`);
    this.generator = new Generator(seed).fork("neftune");
    this.#module = inputEmbedding(model, alpha);
    this.#alpha = alpha;
  }

  /** Makes the embedding add noise to its output in training mode, until the returned object is disposed. */
  attach(): Disposable {
    const module = this.#module;
    const { forward } = module;
    const own = Object.hasOwn(module, "forward");
    module.forward = (...inputs) => {
      const rows = forward.apply(module, inputs);
      return module.training ? this.#noisy(rows) : rows;
    };
    return {
      [Symbol.dispose]: () => {
        if (own) module.forward = forward;
        else delete (module as Partial<EmbeddingModule>).forward;
      },
    };
  }

  /** Adds uniform noise to embeddings [..., T, D], also at padding, as transformers does. */
  #noisy(rows: Tensor): Tensor {
    const [length, width] = rows.shape.slice(-2);
    const high = this.#alpha / Math.sqrt(length * width);
    return add(rows, rand(rows.shape, { low: -high, high, generator: this.generator, backend: rows.storage.backend }));
  }
}

/**
 * Returns the model's first embedding, which embeds the token ids. If this embedding has adapters, returns its wrapper.
 */
function inputEmbedding(model: TrainableModule, alpha: number): EmbeddingModule {
  const find = () => [...model.namedModules()].find(([, module]) => isEmbedding(module))?.[0];
  // Searches without adapters; with them, the embedding's path leads to its wrapper.
  const path = model.disableAdapter ? model.disableAdapter(find) : find();
  const [, found] = [...model.namedModules()].find(([name]) => name === path) ?? [];
  if (found) return found as EmbeddingModule;
  throw refused(alpha, "adds noise to token embeddings, and the model has none; leave it out");
}

const refused = (alpha: number, problem: string) => new OptionError("Trainer", "neftuneNoiseAlpha", alpha, problem);

const isEmbedding = (module: object): boolean => "layerKind" in module && module.layerKind === "embedding";
