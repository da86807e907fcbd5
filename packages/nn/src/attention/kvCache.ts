import { attention, type Backend, cat, indexSelect, keep, noGrad, slice, type Tensor, zeros } from "@lowrank/core";
import { cacheWrite, checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { AttentionCache, CachedAttendOptions } from "./attentionCache.ts";
import { earlierRows } from "./earlierRows.ts";
import { type CacheSizes, type LayerCache, layerCaches } from "./layerCache.ts";

/** Sizes of a key-value cache. */
export interface KVCacheOptions extends CacheSizes {
  batch: number;
  /** The maximum number of tokens in a sequence. */
  capacity: number;
  /** The backend that runs the model: `model.backend`. Default: the backend set by `init`. */
  backend?: Backend;
}

const cacheKeys: OptionKeys<KVCacheOptions> = {
  ...({ layers: true, batch: true, capacity: true, keyValueHeads: true, headDim: true } as const),
  ...({ perLayer: true, backend: true } as const),
};

/**
 * Keys and values of the tokens seen so far, f32 [B, capacity, Hkv, d] per layer, and the last rows that convolutions
 * read.
 */
export class KVCache implements AttentionCache, Disposable {
  readonly capacity: number;
  readonly #keys: Tensor[];
  readonly #values: Tensor[];
  /** The last rows [B, count, W] of each layer that reads earlier rows. */
  readonly #rows = new Map<number, Tensor>();
  #length = 0;

  constructor(options: KVCacheOptions) {
    checkOptions("KVCache", options, cacheKeys);
    const { batch, capacity, backend } = options;
    this.capacity = capacity;
    const make = ({ keyValueHeads, headDim }: LayerCache) =>
      keep(zeros([batch, capacity, keyValueHeads, headDim], { backend }));
    this.#keys = layerCaches(options).map(make);
    this.#values = layerCaches(options).map(make);
  }

  /** Number of tokens whose keys and values every layer stores. */
  get length(): number {
    return this.#length;
  }

  /**
   * Stores keys and values of new tokens [B, T, Hkv, d]. Returns the whole cache, whose first `keyLength` rows are in
   * use.
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

  earlier(layer: number, rows: Tensor, count: number): Tensor[] {
    const [B, , W] = rows.shape;
    const before = this.#rows.get(layer);
    const all = cat([before ?? zeros([B, count, W], { backend: rows.storage.backend }), rows], { dim: 1 });
    this.#rows.set(layer, keep(noGrad(() => slice(all, { dim: 1, start: -count }))));
    before?.dispose();
    return earlierRows(all, count);
  }

  /** Adds `tokens` new tokens to the length, after every layer has stored them. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  /**
   * Discards all but the first `length` tokens. Returns the number of tokens left: 0 if layers need earlier rows for
   * convolutions, because those rows are gone.
   */
  truncate(length: number): number {
    const isShorter = length < this.#length;
    this.#length = isShorter && this.#rows.size > 0 ? 0 : Math.min(length, this.#length);
    if (this.#length === 0) this.#forgetRows();
    return this.#length;
  }

  #forgetRows(): void {
    for (const rows of this.#rows.values()) rows.dispose();
    this.#rows.clear();
  }

  /**
   * Replaces sequence i by a copy of sequence `from[i]`, as in beam search. `from` is i32 and may name more or fewer
   * sequences than before.
   */
  reorder(from: Tensor): void {
    const chosen = (tensor: Tensor): Tensor => {
      const rows = noGrad(() => keep(indexSelect(tensor, from, { dim: 0 })));
      tensor.dispose();
      return rows;
    };
    for (const tensors of [this.#keys, this.#values]) {
      for (const [layer, tensor] of tensors.entries()) tensors[layer] = chosen(tensor);
    }
    for (const [layer, rows] of this.#rows) this.#rows.set(layer, chosen(rows));
  }

  dispose(): void {
    this.#forgetRows();
    for (const tensor of [...this.#keys, ...this.#values]) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
