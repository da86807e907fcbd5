import { scope, tensor } from "@lowrank/core";
import { argmaxTokens } from "@lowrank/core/internal";
import type { CausalLM } from "@lowrank/models";
import type { KVCache } from "@lowrank/nn";

/** A sequence that decodes without an engine: it has its own cache and one row per pass. */
export class LoneSequence {
  readonly #model: CausalLM;
  readonly #cache: KVCache;
  #last = 0;

  private constructor(model: CausalLM, capacity: number) {
    this.#model = model;
    this.#cache = model.createCache(1, capacity);
  }

  /** Runs the prompt and allocates a cache for `capacity` tokens in total. */
  static async start(model: CausalLM, prompt: readonly number[], capacity: number): Promise<LoneSequence> {
    const sequence = new LoneSequence(model, capacity);
    await sequence.#run(prompt);
    return sequence;
  }

  /** Decodes one token. */
  async step(): Promise<void> {
    await this.#run([this.#last]);
  }

  async #run(tokens: readonly number[]): Promise<void> {
    const { backend } = this.#model;
    using next = scope(() => {
      const inputIds = tensor(Int32Array.from(tokens), { shape: [1, tokens.length], backend });
      return argmaxTokens(this.#model.nextLogits({ inputIds, cache: this.#cache }));
    });
    this.#last = (await next.data())[0]!;
  }

  [Symbol.dispose](): void {
    this.#cache.dispose();
  }
}
