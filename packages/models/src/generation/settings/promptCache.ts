import type { KVCache } from "@lowrank/nn";
import type { Invocation } from "@lowrank/nn/internal";
import type { CausalLM } from "../../model/causalLM.ts";

/**
 * Prefix cache for one sequence, for the option `promptCache` of `generate` and `streamText`. If a prompt begins with
 * the same tokens as the previous call, their cached keys and values are reused. Only the rest of the prompt runs
 * through the model. Use it with one model and adapter, `clear` it when they change, and dispose of it at the end.
 * The base model and its aLoRA adapters may take turns: they share the tokens before the invocations.
 */
export class PromptCache implements Disposable {
  #model: CausalLM | null = null;
  #cache: KVCache | null = null;
  #tokens: number[] = [];
  /** The task of the cached sequence, on which the keys and values of the virtual tokens depend. */
  #taskId: number | undefined;
  /** The aLoRA adapter of the cached sequence, and the index of the first token on which it acts. */
  #invocation: Invocation | null = null;
  #start = Number.POSITIVE_INFINITY;
  #reused = 0;

  /** Number of tokens of the last prompt that were reused from the cache. */
  get reused(): number {
    return this.#reused;
  }

  /** Number of cached tokens. */
  get length(): number {
    return this.#tokens.length;
  }

  /**
   * Returns a KV cache with room for at least `capacity` tokens. It already contains the longest common prefix of the
   * prompt and the previous call's tokens, but never the prompt's last token. It is empty if the previous call had
   * another task. `start` is the index of the first token on which an aLoRA adapter acts. If it or the adapter differs
   * from the previous call's, tokens on which either call's adapter acts are not reused. Called by `generate`.
   */
  open(
    model: CausalLM,
    prompts: readonly (readonly number[])[],
    capacity: number,
    taskId?: number,
    start?: number | null,
  ): KVCache {
    if (prompts.length !== 1) throw new Error(`promptCache supports one prompt, but ${prompts.length} were given`);
    const virtual = model.virtualTokens?.count ?? 0;
    if (this.#model !== model || this.#cache === null || this.#cache.capacity < capacity + virtual) {
      this.clear();
      this.#model = model;
      // A larger cache loses the contents of the old one, so allocate twice the capacity.
      const room = Math.min(model.maxPositions - virtual, Math.max(2 * capacity, leastRoom));
      this.#cache = model.createCache(1, Math.max(room, capacity));
    }
    const [prompt] = prompts;
    const different = prompt.findIndex((token, i) => token !== this.#tokens[i]);
    // In long sequences, some models rotate keys differently, so the cached keys of a shorter sequence are not valid.
    const isLong = (tokens: readonly number[]) => tokens.length > model.cachedPositions - virtual;
    const turned = isLong(this.#tokens) !== isLong(prompt) || taskId !== this.#taskId;
    this.#taskId = taskId;
    const equal = turned ? 0 : Math.min(different < 0 ? prompt.length : different, prompt.length - 1);
    const same = Math.min(equal, this.#plainUntil(model.invocation, start ?? Number.POSITIVE_INFINITY));
    const kept = this.#cache.truncate(same > 0 ? same + virtual : 0);
    this.#reused = Math.max(0, kept - virtual);
    this.#tokens.length = this.#reused;
    return this.#cache;
  }

  /** Sets the invocation of the next sequence. Returns the number of tokens that it can share with the cached one. */
  #plainUntil(invocation: Invocation | null, start: number): number {
    const before = this.#start;
    const equal = before === start && this.#invocation === invocation;
    this.#start = start;
    this.#invocation = invocation;
    return equal ? Number.POSITIVE_INFINITY : Math.min(before, start);
  }

  /** Records tokens that were added to the KV cache. Called by `generate`. */
  push(tokens: readonly number[]): void {
    this.#tokens.push(...tokens);
  }

  /** Empties the cache and frees its memory. */
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
