import {
  attention,
  type Backend,
  cacheWrite,
  checkOptions,
  indexSelect,
  keep,
  noGrad,
  type OptionKeys,
  type Tensor,
  zeros,
} from "@lowrank/core";
import type { AttentionCache, CachedAttendOptions } from "./attentionCache.ts";

/** Sizes of a key-value cache. */
export interface KVCacheOptions {
  layers: number;
  batch: number;
  /** The most tokens a sequence may come to. */
  capacity: number;
  keyValueHeads: number;
  headDim: number;
  /** The backend that runs the model: `model.backend`. Default: the one that `init` chose. */
  backend?: Backend;
}

const cacheKeys: OptionKeys<KVCacheOptions> = {
  ...({ layers: true, batch: true, capacity: true, keyValueHeads: true, headDim: true, backend: true } as const),
};

/** Keys and values of the tokens seen so far, f32 [B, capacity, Hkv, d] per layer. */
export class KVCache implements AttentionCache, Disposable {
  readonly capacity: number;
  readonly #keys: Tensor[];
  readonly #values: Tensor[];
  #length = 0;

  constructor(options: KVCacheOptions) {
    checkOptions("KVCache", options, cacheKeys);
    const { layers, batch, capacity, keyValueHeads, headDim, backend } = options;
    this.capacity = capacity;
    const make = () => keep(zeros([batch, capacity, keyValueHeads, headDim], { backend }));
    this.#keys = Array.from({ length: layers }, make);
    this.#values = Array.from({ length: layers }, make);
  }

  /** Tokens whose keys and values every layer holds. */
  get length(): number {
    return this.#length;
  }

  /**
   * Stores keys and values of new tokens [B, T, Hkv, d]. Returns the whole cache, whose first
   * `keyLength` rows are in use.
   */
  update(layer: number, keys: Tensor, values: Tensor): { keys: Tensor; values: Tensor; keyLength: number } {
    const keyLength = this.#length + keys.shape[1];
    if (keyLength > this.capacity) {
      throw new Error(`KVCache: ${keyLength} tokens do not fit the capacity of ${this.capacity}; make a larger cache`);
    }
    cacheWrite(this.#keys[layer], keys, { position: this.#length });
    cacheWrite(this.#values[layer], values, { position: this.#length });
    return { keys: this.#keys[layer], values: this.#values[layer], keyLength };
  }

  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, options: CachedAttendOptions): Tensor {
    const { keys, values, keyLength } = this.update(layer, k, v);
    return attention(q, keys, values, { ...options, keyLength });
  }

  /** Counts `tokens` new tokens as seen, once every layer has stored them. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  /** Forgets all but the first `length` tokens. */
  truncate(length: number): void {
    this.#length = Math.min(length, this.#length);
  }

  /**
   * Sequence i goes on from what sequence `from[i]` has seen, as beams do; `from`, i32, may name
   * more or fewer sequences than there were.
   */
  reorder(from: Tensor): void {
    for (const tensors of [this.#keys, this.#values]) {
      for (const [layer, tensor] of tensors.entries()) {
        tensors[layer] = noGrad(() => keep(indexSelect(tensor, from, { dim: 0 })));
        tensor.dispose();
      }
    }
  }

  dispose(): void {
    for (const tensor of [...this.#keys, ...this.#values]) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
