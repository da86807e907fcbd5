/** The content of a page that others may read: full, and never written again. */
interface SharedPage {
  /** Unique in the pool: pages that follow this one name it in their keys. */
  readonly id: string;
  readonly key: string;
  readonly page: number;
  readonly version: string | null;
}

/** Whose prefixes may be shared: those of one tenant under one version of an adapter. */
export interface PrefixOwner {
  readonly tenant: string;
  readonly version: string | null;
}

/** Options of `PagePool`. */
interface PagePoolOptions {
  readonly pages: number;
  readonly pageSize: number;
  /** False: no page is shared. Default true. */
  readonly enablePrefixCaching?: boolean;
}

/**
 * Gives out the numbers of a cache's pages and counts who holds them. Full pages can be shared by
 * what they hold, and stay cached when the last holder leaves, until their room is needed: the
 * longest unused goes first. A page is found by all tokens up to its end, compared one by one, so
 * that no two prefixes are ever taken for each other.
 */
export class PagePool {
  readonly pages: number;
  readonly pageSize: number;
  readonly #sharing: boolean;
  readonly #holders: Int32Array;
  /** Pages that hold nothing. */
  readonly #empty: number[];
  /** Shared pages that nobody holds, the longest unused first. */
  readonly #idle = new Set<number>();
  readonly #byKey = new Map<string, SharedPage>();
  readonly #byPage = new Map<number, SharedPage>();
  #made = 0;

  constructor({ pages, pageSize, enablePrefixCaching = true }: PagePoolOptions) {
    this.pages = pages;
    this.pageSize = pageSize;
    this.#sharing = enablePrefixCaching;
    this.#holders = new Int32Array(pages);
    this.#empty = Array.from({ length: pages }, (_, i) => pages - 1 - i);
  }

  /** Pages that can be given out, cached ones among them. */
  get available(): number {
    return this.#empty.length + this.#idle.size;
  }

  /** Pages that are cached and held by nobody. */
  get cached(): number {
    return this.#idle.size;
  }

  /** Pages that hold this many tokens. */
  pagesOf(tokens: number): number {
    return Math.ceil(tokens / this.pageSize);
  }

  /** Takes a page, to be written by its holder alone; null if all are held. */
  take(): number | null {
    const page = this.#empty.pop() ?? this.#evict();
    if (page === null) return null;
    this.#holders[page] = 1;
    return page;
  }

  #evict(): number | null {
    const [page] = this.#idle;
    if (page === undefined) return null;
    this.#idle.delete(page);
    this.#forget(this.#byPage.get(page)!);
    return page;
  }

  #forget(shared: SharedPage): void {
    this.#byKey.delete(shared.key);
    this.#byPage.delete(shared.page);
  }

  /**
   * Gives pages back, in the order of a sequence's table: the last one is the first to be reused.
   */
  release(table: readonly number[]): void {
    for (const page of [...table].reverse()) {
      this.#holders[page] -= 1;
      if (this.#holders[page] > 0) continue;
      if (this.#byPage.has(page)) this.#idle.add(page);
      else this.#empty.push(page);
    }
  }

  /**
   * Appends to `table` the shared pages that hold the next of `tokens`, and holds them; at most up
   * to token `end`. The table must consist of full shared pages.
   */
  extend(table: number[], owner: PrefixOwner, tokens: readonly number[], end: number): void {
    while ((table.length + 1) * this.pageSize <= end) {
      const key = this.#keyOf(table, table.length, owner, tokens);
      const shared = key === null ? undefined : this.#byKey.get(key);
      if (!shared) return;
      this.#hold(shared.page);
      table.push(shared.page);
    }
  }

  #hold(page: number): void {
    if (this.#holders[page] === 0) this.#idle.delete(page);
    this.#holders[page] += 1;
  }

  /**
   * Shares page `index` of a table, which is full. Where a page of the same content is shared
   * already, the table takes that in the place of its own.
   */
  share(table: number[], index: number, owner: PrefixOwner, tokens: readonly number[]): void {
    const page = table[index];
    if (this.#byPage.has(page)) return;
    const key = this.#keyOf(table, index, owner, tokens);
    if (key === null) return;
    const same = this.#byKey.get(key);
    if (same) {
      this.#hold(same.page);
      table[index] = same.page;
      this.release([page]);
      return;
    }
    const shared = { id: `#${this.#made++}`, key, page, version: owner.version };
    this.#byKey.set(key, shared);
    this.#byPage.set(page, shared);
  }

  /** The key of page `index`; null where the page before it is not shared. */
  #keyOf(table: readonly number[], index: number, owner: PrefixOwner, tokens: readonly number[]): string | null {
    if (!this.#sharing) return null;
    const parent = index === 0 ? JSON.stringify([owner.tenant, owner.version]) : this.#byPage.get(table[index - 1])?.id;
    if (parent === undefined) return null;
    return `${parent}/${tokens.slice(index * this.pageSize, (index + 1) * this.pageSize).join()}`;
  }

  /** Forgets what is cached for a version of an adapter. */
  drop(version: string): void {
    for (const shared of [...this.#byPage.values()]) {
      if (shared.version !== version) continue;
      this.#forget(shared);
      if (this.#idle.delete(shared.page)) this.#empty.push(shared.page);
    }
  }
}
