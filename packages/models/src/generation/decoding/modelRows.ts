import { type Tensor, tensor } from "@lowrank/core";
import type { KVCache } from "@lowrank/nn";
import type { CausalLM } from "../../model/causalLM.ts";
import type { Penalties } from "../settings/penalties.ts";
import type { PromptCache } from "../settings/promptCache.ts";

/** Options of `ModelRows`. */
interface ModelRowsOptions {
  /** Largest number of tokens of a row. */
  readonly capacity: number;
  /** Counts the rows' tokens. The caller disposes of it. Default: none. */
  readonly penalties?: Penalties | null;
  /** The cache from which the KV cache is taken. Ignored with penalties. Default: a new KV cache. */
  readonly promptCache?: PromptCache | null;
  /** The task of each row. Default: none. */
  readonly taskIds?: readonly number[];
}

/** A batch of sequences with their KV cache. Shorter prompts are padded on the left. */
export class ModelRows implements Disposable {
  /** Counts of the tokens in each row, for penalties; null if no penalty is set. */
  readonly #penalties: Penalties | null;
  readonly #model: CausalLM;
  readonly #prompts: readonly (readonly number[])[];
  readonly #cache: KVCache;
  /** The prompt cache that owns the KV cache and keeps it for later calls; null if this object owns the KV cache. */
  readonly #kept: PromptCache | null;
  /** Number of padding tokens at the start of each row. */
  #padding: number[];
  /** The tokens of each row whose keys and values are cached. Padding is included, virtual tokens are not. */
  #seen: number[][];
  /** The task of each row; undefined if the rows have none. */
  #taskIds: readonly number[] | undefined;
  /** The index of the first token of each row on which an aLoRA adapter acts; null without such an adapter. */
  #starts: readonly (number | null)[] | null;

  /**
   * Allocates a KV cache for rows of up to `capacity` tokens, or takes the cache from `promptCache`. With penalties,
   * `promptCache` is ignored, so that all prompt tokens are processed and counted.
   */
  constructor(
    model: CausalLM,
    prompts: readonly (readonly number[])[],
    { capacity, penalties, promptCache = null, taskIds }: ModelRowsOptions,
  ) {
    const longest = Math.max(...prompts.map((p) => p.length));
    this.#model = model;
    this.#prompts = prompts;
    this.#penalties = penalties?.any ? penalties : null;
    this.#kept = this.#penalties ? null : promptCache;
    this.#taskIds = taskIds;
    const { invocation } = model;
    this.#starts = invocation && prompts.map((prompt, row) => invocation.start(prompt, row));
    this.#cache =
      this.#kept?.open(model, prompts, capacity, taskIds?.[0], this.#starts?.[0]) ??
      model.createCache(prompts.length, capacity);
    this.#padding = prompts.map((p) => longest - p.length);
    this.#seen = prompts.map((prompt) => prompt.slice(0, this.#kept?.length ?? 0));
  }

  /** Runs the model on the prompts. Returns the logits f32 [B, V] of the next token. */
  start(): Tensor {
    const padded = this.#prompts.map((p, row) => [
      ...new Array<number>(this.#padding[row]).fill(0),
      ...p.slice(this.#seen[row].length),
    ]);
    return this.#forward(padded, (penalties, ids) => {
      const isToken = padded.map((row, r) => row.map((_, t) => (t < this.#padding[r] ? 0 : 1)));
      using mask = tensor(isToken, { dtype: "u8", backend: this.#model.backend });
      penalties.countPrompt(ids, mask);
    });
  }

  /**
   * Runs the model on one more token for each row. `tokens` has null for a row that has ended. Returns the logits f32
   * [B, V] of the next token.
   */
  next(tokens: readonly (number | null)[]): Tensor {
    const column = tokens.map((token) => [token ?? 0]);
    return this.#forward(column, (penalties, ids) => {
      const goesOn = tokens.map((token) => [token === null ? 0 : 1]);
      using mask = tensor(goesOn, { dtype: "u8", backend: this.#model.backend });
      penalties.countToken(ids, mask);
    });
  }

  /**
   * Replaces each row i by a copy of row `from[i]`. The new number of rows, `from.length`, may be larger than the old.
   */
  select(from: readonly number[]): void {
    if (from.length === this.#padding.length && from.every((row, i) => row === i)) return;
    using index = tensor(Int32Array.from(from), { backend: this.#model.backend });
    this.#cache.reorder(index);
    this.#penalties?.select(index);
    this.#padding = from.map((row) => this.#padding[row]);
    this.#seen = from.map((row) => [...this.#seen[row]]);
    const taskIds = this.#taskIds;
    this.#taskIds = taskIds && from.map((row) => taskIds[row]);
    const starts = this.#starts;
    this.#starts = starts && from.map((row) => starts[row]);
  }

  #forward(tokens: readonly (readonly number[])[], count: (penalties: Penalties, inputIds: Tensor) => void): Tensor {
    const { backend } = this.#model;
    using inputIds = tensor(Int32Array.from(tokens.flat()), { shape: [tokens.length, tokens[0].length], backend });
    if (this.#penalties) count(this.#penalties, inputIds);
    const before = this.#seen[0].length;
    for (const [row, own] of this.#seen.entries()) own.push(...tokens[row]);
    const again = this.#outgrows(before) || (before > 0 && this.#model.needsWholeSequences);
    const logits = again ? this.#runAll() : this.#run(inputIds, before);
    this.#kept?.push(tokens[0]);
    return logits;
  }

  /**
   * Returns true if this step makes sequences longer than the model's `cachedPositions`, beyond which cached keys
   * become invalid. All tokens must then be processed again. `before` is the number of cached tokens per row before the
   * step.
   */
  #outgrows(before: number): boolean {
    const { cachedPositions, virtualTokens } = this.#model;
    const room = cachedPositions - (virtualTokens?.count ?? 0);
    return before > 0 && before <= room && this.#seen[0].length > room;
  }

  /**
   * Empties the cache and runs the model on all tokens of the rows again. Returns the logits f32 [B, V] of the next
   * token.
   */
  #runAll(): Tensor {
    const { backend } = this.#model;
    const rows = this.#seen;
    this.#cache.truncate(0);
    using all = tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0].length], backend });
    return this.#run(all, 0);
  }

  /** Runs tokens [B, T] after the `seen` tokens in the cache, and returns the logits of the next token. */
  #run(inputIds: Tensor, seen: number): Tensor {
    const { backend } = this.#model;
    const T = inputIds.shape[1];
    const given = {
      taskIds: this.#taskIds,
      aloraOffsets: this.#starts?.map((start, row) => (start === null ? null : seen + T - this.#padding[row] - start)),
    };
    if (this.#padding.every((p) => p === 0)) {
      return this.#model.nextLogits({ inputIds, ...given, cache: this.#cache });
    }
    const mask = this.#padding.map((pad) => Array.from({ length: seen + T }, (_, s) => (s < pad ? 0 : 1)));
    const positions = this.#padding.map((pad) => Array.from({ length: T }, (_, t) => Math.max(0, seen + t - pad)));
    using attentionMask = tensor(mask, { dtype: "u8", backend });
    using positionIds = tensor(positions, { dtype: "i32", backend });
    // The length of the padded rows determines it, even if the longest row has ended.
    const maxPosition = seen + T - 1;
    const cache = this.#cache;
    return this.#model.nextLogits({ inputIds, attentionMask, positionIds, maxPosition, ...given, cache });
  }

  dispose(): void {
    if (!this.#kept) this.#cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
