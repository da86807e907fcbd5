import { type Tensor, tensor } from "@lowrank/core";
import type { KVCache } from "@lowrank/nn";
import type { CausalLM } from "../causalLM.ts";
import type { Penalties } from "./penalties.ts";
import type { PromptCache } from "./promptCache.ts";

/**
 * Sequences of different lengths as rows of a batch, padded on the left: what the model has seen
 * of each, on the backend that holds the model.
 */
export class ModelRows implements Disposable {
  /** Counts the tokens of each row; null where no penalty is set. */
  readonly #penalties: Penalties | null;
  readonly #model: CausalLM;
  readonly #prompts: readonly (readonly number[])[];
  readonly #cache: KVCache;
  /** The owner of the cache, where that outlives these rows. */
  readonly #kept: PromptCache | null;
  /** The tokens of padding at the left of each row. */
  #padding: number[];
  /** Tokens of each row that the cache holds, padding included, virtual ones not. */
  #seen = 0;

  /**
   * Makes room for rows of up to `capacity` tokens. `penalties` stay their owner's; they count all
   * of a prompt, so that none of it is taken out of `kept`.
   */
  constructor(
    model: CausalLM,
    prompts: readonly (readonly number[])[],
    capacity: number,
    penalties: Penalties | null,
    kept: PromptCache | null = null,
  ) {
    const longest = Math.max(...prompts.map((p) => p.length));
    this.#model = model;
    this.#prompts = prompts;
    this.#penalties = penalties?.any ? penalties : null;
    this.#kept = this.#penalties ? null : kept;
    this.#cache = this.#kept?.open(model, prompts, capacity) ?? model.createCache(prompts.length, capacity);
    this.#seen = this.#kept?.length ?? 0;
    this.#padding = prompts.map((p) => longest - p.length);
  }

  /** Runs the prompts; logits f32 [B, V] of the tokens after them. */
  start(): Tensor {
    const padded = this.#prompts.map((p, row) => [
      ...new Array<number>(this.#padding[row]).fill(0),
      ...p.slice(this.#seen),
    ]);
    return this.#forward(padded, (penalties, ids) => {
      const isToken = padded.map((row, r) => row.map((_, t) => (t < this.#padding[r] ? 0 : 1)));
      using mask = tensor(isToken, { dtype: "u8", backend: this.#model.backend });
      penalties.countPrompt(ids, mask);
    });
  }

  /** Runs a token more of each row, null for one that has ended; logits f32 [B, V] after them. */
  next(tokens: readonly (number | null)[]): Tensor {
    const column = tokens.map((token) => [token ?? 0]);
    return this.#forward(column, (penalties, ids) => {
      const goesOn = tokens.map((token) => [token === null ? 0 : 1]);
      using mask = tensor(goesOn, { dtype: "u8", backend: this.#model.backend });
      penalties.countToken(ids, mask);
    });
  }

  /** Row i goes on from what row `from[i]` has seen; there may be more rows than before. */
  select(from: readonly number[]): void {
    if (from.length === this.#padding.length && from.every((row, i) => row === i)) return;
    using index = tensor(Int32Array.from(from), { backend: this.#model.backend });
    this.#cache.reorder(index);
    this.#penalties?.select(index);
    this.#padding = from.map((row) => this.#padding[row]);
  }

  #forward(tokens: readonly (readonly number[])[], count: (penalties: Penalties, inputIds: Tensor) => void): Tensor {
    const [B, T, seen] = [tokens.length, tokens[0].length, this.#seen];
    const { backend } = this.#model;
    this.#seen += T;
    using inputIds = tensor(Int32Array.from(tokens.flat()), { shape: [B, T], backend });
    if (this.#penalties) count(this.#penalties, inputIds);
    if (this.#padding.every((p) => p === 0)) {
      const logits = this.#model.nextLogits({ inputIds, cache: this.#cache });
      this.#kept?.push(tokens[0]);
      return logits;
    }
    const mask = this.#padding.map((pad) => Array.from({ length: seen + T }, (_, s) => (s < pad ? 0 : 1)));
    const positions = this.#padding.map((pad) => Array.from({ length: T }, (_, t) => Math.max(0, seen + t - pad)));
    using attentionMask = tensor(mask, { dtype: "u8", backend });
    using positionIds = tensor(positions, { dtype: "i32", backend });
    return this.#model.nextLogits({ inputIds, attentionMask, positionIds, cache: this.#cache });
  }

  dispose(): void {
    if (!this.#kept) this.#cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
