import {
  type Backend,
  cacheWrite,
  checkOptions,
  keep,
  type OptionKeys,
  reshape,
  scope,
  slice,
  type Tensor,
  zeros,
} from "@lowrank/core";

/** Sizes of a paged key-value cache. */
export interface PagedKVCacheOptions {
  layers: number;
  /** Pages that all sequences share. */
  pages: number;
  /** Positions of a page. Default 16. */
  pageSize?: number;
  keyValueHeads: number;
  headDim: number;
  /** The backend that runs the model: `model.backend`. Default: the one that `init` chose. */
  backend?: Backend;
}

const cacheKeys: OptionKeys<PagedKVCacheOptions> = {
  ...({ layers: true, pages: true, pageSize: true, keyValueHeads: true, headDim: true, backend: true } as const),
};

/** The keys and the values of one layer, f32 [pages, pageSize, Hkv, d] each. */
export interface PagedLayer {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/**
 * Keys and values in pages that sequences take and give back. A page has the same number in every
 * layer. Who owns which page is the caller's to say: a table names a sequence's pages in order.
 */
export class PagedKVCache implements Disposable {
  readonly pages: number;
  readonly pageSize: number;
  readonly layers: readonly PagedLayer[];
  readonly backend: Backend;

  constructor(options: PagedKVCacheOptions) {
    checkOptions("PagedKVCache", options, cacheKeys);
    const { layers, pages, pageSize = 16, keyValueHeads, headDim, backend } = options;
    for (const [name, size] of Object.entries({ layers, pages, pageSize, keyValueHeads, headDim })) {
      if (Number.isInteger(size) && size > 0) continue;
      throw new Error(`PagedKVCache: ${name} is ${size}; give a whole number above 0`);
    }
    this.pages = pages;
    this.pageSize = pageSize;
    const make = () => keep(zeros([pages, pageSize, keyValueHeads, headDim], { backend }));
    this.layers = Array.from({ length: layers }, () => ({ keys: make(), values: make() }));
    this.backend = this.layers[0].keys.storage.backend;
  }

  /** Bytes that the keys and values of all pages take. */
  get bytes(): number {
    return 2 * 4 * this.layers.length * this.layers[0].keys.size;
  }

  /** Copies page `from` over page `to` in every layer, for sequences that go apart within it. */
  copyPage(from: number, to: number): void {
    for (const page of [from, to]) {
      if (Number.isInteger(page) && page >= 0 && page < this.pages) continue;
      throw new Error(`copyPage: there is no page ${page}; the cache has pages 0..${this.pages - 1}`);
    }
    scope(() => {
      for (const { keys, values } of this.layers) {
        for (const pool of [keys, values]) {
          const page = slice(pool, { dim: 0, start: from, end: from + 1 });
          cacheWrite(reshape(pool, [1, this.pages, -1]), reshape(page, [1, 1, -1]), { position: to });
        }
      }
    });
  }

  dispose(): void {
    for (const { keys, values } of this.layers) {
      keys.dispose();
      values.dispose();
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
