import { type Backend, keep, reshape, scope, slice, type Tensor, zeros } from "@lowrank/core";
import { cacheWrite, checkOptions } from "@lowrank/core/internal";
import { type CacheSizes, layerCaches } from "./attentionCache.ts";

/** Sizes of a paged key-value cache. */
export interface PagedKVCacheOptions extends CacheSizes {
  /** Number of pages, shared by all sequences. */
  pages: number;
  /** Number of positions in a page. Default 16. */
  pageSize?: number;
  /** The backend that runs the model: `model.backend`. Default: the backend set by `init`. */
  backend?: Backend;
}

/** Keys and values of one layer, each f32 [pages, pageSize, Hkv, d]. Hkv is 0 for a layer without attention. */
export interface PagedLayer {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/**
 * A key-value cache divided into pages, as in vLLM. The caller assigns pages to sequences: a page table lists the pages
 * of a sequence in order. A page has the same number in every layer.
 */
export class PagedKVCache implements Disposable {
  readonly pages: number;
  readonly pageSize: number;
  readonly layers: readonly PagedLayer[];
  readonly backend: Backend;
  /** For each layer with a convolution, the convolution's inputs for all cached positions, [pages, pageSize, 1, W]. */
  readonly #rows = new Map<number, Tensor>();

  constructor(options: PagedKVCacheOptions) {
    checkOptions("PagedKVCache", options, {
      ...({ layers: true, pages: true, pageSize: true, keyValueHeads: true, headDim: true } as const),
      ...({ perLayer: true, backend: true } as const),
    });
    const { layers, pages, pageSize = 16, keyValueHeads, headDim, backend } = options;
    for (const [name, size] of Object.entries({ layers, pages, pageSize, keyValueHeads, headDim })) {
      if (Number.isInteger(size) && size > 0) continue;
      throw new Error(`PagedKVCache: ${name} is ${size}; give a whole number above 0`);
    }
    this.pages = pages;
    this.pageSize = pageSize;
    this.layers = layerCaches(options).map(({ keyValueHeads, headDim }) => {
      const make = () => keep(zeros([pages, pageSize, keyValueHeads, headDim], { backend }));
      return { keys: make(), values: make() };
    });
    this.backend = this.layers[0].keys.storage.backend;
  }

  /** Total size of all pages in bytes: keys, values and inputs of convolutions. */
  get bytes(): number {
    return 4 * this.#pools().reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Returns the cached inputs of a layer's convolution, f32 [pages, pageSize, 1, W]. The first call for a layer creates
   * them as zeros; `width` is W.
   */
  rowsOf(layer: number, width: number): Tensor {
    const known = this.#rows.get(layer);
    if (known) return known;
    const made = keep(zeros([this.pages, this.pageSize, 1, width], { backend: this.backend }));
    this.#rows.set(layer, made);
    return made;
  }

  /**
   * Copies page `from` to page `to` in every layer, so that two sequences with a common start can continue differently.
   */
  copyPage(from: number, to: number): void {
    for (const page of [from, to]) {
      if (Number.isInteger(page) && page >= 0 && page < this.pages) continue;
      throw new Error(`copyPage: there is no page ${page}; the cache has pages 0..${this.pages - 1}`);
    }
    scope(() => {
      for (const pool of this.#pools()) {
        if (!pool.size) continue;
        const page = slice(pool, { dim: 0, start: from, end: from + 1 });
        cacheWrite(reshape(pool, [1, this.pages, -1]), reshape(page, [1, 1, -1]), { position: to });
      }
    });
  }

  #pools(): Tensor[] {
    return [...this.layers.flatMap(({ keys, values }) => [keys, values]), ...this.#rows.values()];
  }

  dispose(): void {
    for (const pool of this.#pools()) pool.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
