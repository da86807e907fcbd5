import type { KVCache } from "@lowrank/nn";
import type { CausalLM } from "../model/causalLM.ts";

/**
 * The keys and values of a sequence, kept from one `generate` or `streamText` to the next by their
 * option `promptCache`: of a prompt that begins as the last one went on, only what is new runs. It
 * is for one model and adapter; `clear` it where these change, and dispose of it at the end.
 */
export class PromptCache implements Disposable {
  #model: CausalLM | null = null;
  #cache: KVCache | null = null;
  #tokens: number[] = [];
  #reused = 0;

  /** Tokens of the last prompt that did not run again. */
  get reused(): number {
    return this.#reused;
  }

  /** Number of tokens that it holds. */
  get length(): number {
    return this.#tokens.length;
  }

  /**
   * Returns the cache with the beginning of the prompt that it holds already, all but one token at
   * most, and room for `capacity` tokens. Called by the generation.
   */
  open(model: CausalLM, prompts: readonly (readonly number[])[], capacity: number): KVCache {
    if (prompts.length !== 1) throw new Error(`promptCache is for one sequence, and there are ${prompts.length}`);
    const virtual = model.virtualTokens?.count ?? 0;
    if (this.#model !== model || this.#cache === null || this.#cache.capacity < capacity + virtual) {
      this.clear();
      this.#model = model;
      // A cache loses its keys and values when it gets more room: that must be seldom.
      const room = Math.min(model.maxPositions - virtual, Math.max(2 * capacity, leastRoom));
      this.#cache = model.createCache(1, Math.max(room, capacity));
    }
    const [prompt] = prompts;
    const different = prompt.findIndex((token, i) => token !== this.#tokens[i]);
    // Some models turn the keys of long texts otherwise.
    const isLong = (tokens: readonly number[]) => tokens.length > model.cachedPositions - virtual;
    const turned = isLong(this.#tokens) !== isLong(prompt);
    const same = turned ? 0 : Math.min(different < 0 ? prompt.length : different, prompt.length - 1);
    const kept = this.#cache.truncate(same > 0 ? same + virtual : 0);
    this.#reused = Math.max(0, kept - virtual);
    this.#tokens.length = this.#reused;
    return this.#cache;
  }

  /** Notes tokens that have run. Called by the generation. */
  push(tokens: readonly number[]): void {
    this.#tokens.push(...tokens);
  }

  /** Forgets everything and frees the memory. */
  clear(): void {
    this.#cache?.dispose();
    this.#cache = null;
    this.#tokens = [];
    this.#reused = 0;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

const leastRoom = 2048;
