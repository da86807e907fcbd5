import { attention, type Backend, cat, indexSelect, keep, noGrad, slice, type Tensor, zeros } from "@lowrank/core";
import { cacheWrite, checkOptions } from "@lowrank/core/internal";
import {
  type AttentionCache,
  type CachedAttendOptions,
  type CacheSizes,
  earlierRows,
  type LayerCache,
  layerCaches,
} from "./attentionCache.ts";

/** Sizes of a key-value cache. */
export interface KVCacheOptions extends CacheSizes {
  batch: number;
  /** The maximum number of tokens in a sequence. */
  capacity: number;
  /** The backend that runs the model: `model.backend`. Default: the backend set by `init`. */
  backend?: Backend;
}

/**
 * A key-value cache. For each layer, stores the keys and values of earlier tokens, f32 [B, capacity, Hkv, d]. For
 * layers with a convolution, also stores the convolution's last inputs.
 */
export class KVCache implements AttentionCache, Disposable {
  readonly capacity: number;
  readonly #keys: Tensor[];
  readonly #values: Tensor[];
  /** For each layer with a convolution, the convolution's inputs [B, count, W] for the last `count` tokens. */
  readonly #rows = new Map<number, Tensor>();
  #length = 0;

  constructor(options: KVCacheOptions) {
    checkOptions("KVCache", options, {
      ...({ layers: true, batch: true, capacity: true, keyValueHeads: true, headDim: true } as const),
      ...({ perLayer: true, backend: true } as const),
    });
    const { batch, capacity, backend } = options;
    this.capacity = capacity;
    const make = ({ keyValueHeads, headDim }: LayerCache) =>
      keep(zeros([batch, capacity, keyValueHeads, headDim], { backend }));
    this.#keys = layerCaches(options).map(make);
    this.#values = layerCaches(options).map(make);
  }

  /** Number of tokens in the cache. Counts only tokens whose keys and values all layers have stored. */
  get length(): number {
    return this.#length;
  }

  /**
   * Stores a layer's keys and values of new tokens, [B, T, Hkv, d]. Returns the layer's whole cache tensors, [B,
   * capacity, Hkv, d], of which the first `keyLength` positions are filled.
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

  /**
   * Returns the stored keys and values of the first `count` tokens of each layer, [B, count, Hkv, d]. The caller frees
   * them. Throws if the cache has fewer tokens.
   */
  stored(count: number): { keys: Tensor; values: Tensor }[] {
    if (count > this.#length)
      throw new Error(`KVCache: ${count} tokens are more than the ${this.#length} in the cache`);
    const first = (all: Tensor) => noGrad(() => slice(all, { dim: 1, end: count }));
    return this.#keys.map((keys, layer) => ({ keys: first(keys), values: first(this.#values[layer]) }));
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

  /** Adds `tokens` to the length. Call it after every layer has stored the keys and values of these new tokens. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  /**
   * Removes all but the first `length` tokens, and returns the number of tokens left. If the model has layers with
   * convolutions and a token must be removed, removes all tokens: the convolutions' inputs for earlier tokens are no
   * longer stored.
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
   * Selects sequences, as beam search does: sequence i becomes a copy of sequence from[i]. `from` is i32 [n], where n
   * becomes the new number of sequences.
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
