/** Full page of the KV cache that other sequences may reuse. It is never written again. */
interface SharedPage {
  /**
   * Id that is unique in the pool. The cache key of the following page contains it, so that this key depends on all
   * earlier tokens of the sequence.
   */
  readonly id: string;
  readonly key: string;
  readonly page: number;
  readonly version: string | null;
}

/**
 * Tenant, adapter version (null: the base model) and task of a sequence. Sequences share cached pages only if all three
 * are the same. An aLoRA adapter also shares the base model's pages, before the token at which it begins to act.
 */
export interface PrefixOwner {
  readonly tenant: string;
  readonly version: string | null;
  /** Default: no task. */
  readonly taskId?: number;
  /** Index of the first token on which an aLoRA adapter acts. Default 0. */
  readonly actsFrom?: number;
  /** Number of tokens at the start whose keys and values are the base model's. Default 0. */
  readonly plainUntil?: number;
}

/** Options for `PagePool`. */
interface PagePoolOptions {
  readonly pages: number;
  readonly pageSize: number;
  /** Lets sequences share pages if they begin with the same tokens. Default true. */
  readonly enablePrefixCaching?: boolean;
}

/**
 * Allocates the pages of a KV cache and counts the sequences that hold each page. Sequences that begin with the same
 * tokens share full pages. A full page that no sequence holds stays cached until its space is needed; the least
 * recently used page is evicted first. Lookups compare every token up to the end of a page, so that different prefixes
 * never match.
 */
export class PagePool {
  readonly pages: number;
  readonly pageSize: number;
  readonly #sharing: boolean;
  readonly #holders: Int32Array;
  /** Pages that hold no tokens. */
  readonly #empty: number[];
  /** Cached pages that no sequence holds, least recently used first. */
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

  /** Number of pages that can be allocated: empty pages, and cached pages that no sequence holds. */
  get available(): number {
    return this.#empty.length + this.#idle.size;
  }

  /** Number of cached pages that no sequence holds. */
  get cached(): number {
    return this.#idle.size;
  }

  /** Returns how many pages this many tokens need. */
  pagesOf(tokens: number): number {
    return Math.ceil(tokens / this.pageSize);
  }

  /** Allocates a page that one sequence will write; null if sequences hold all pages. */
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
   * Releases a sequence's pages, listed in `table`. The sequence's last pages will be evicted before its first ones.
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
   * Appends cached pages to `table`, and counts the sequence as a holder of each. Every appended page holds the tokens
   * that come next in `tokens`, and ends at or before position `end`. All pages already in `table` must be full and
   * shared.
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
   * Makes page `index` of a table available to other sequences. The page must be full. If an equal page is already
   * shared, puts that page into the table and releases the sequence's own page.
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
    const version = this.#isPlain(index, owner) ? null : owner.version;
    const shared = { id: `#${this.#made++}`, key, page, version };
    this.#byKey.set(key, shared);
    this.#byPage.set(page, shared);
  }

  /**
   * Returns the cache key of page `index`: the id of the page before it (for the first page: the tenant and task), the
   * owner's version if its pages begin here, and the page's tokens. Returns null if the page before it is not shared,
   * or if prefix caching is disabled.
   */
  #keyOf(table: readonly number[], index: number, owner: PrefixOwner, tokens: readonly number[]): string | null {
    if (!this.#sharing) return null;
    const { tenant, version, taskId, actsFrom } = owner;
    const parent = index === 0 ? JSON.stringify([tenant, taskId]) : this.#byPage.get(table[index - 1])?.id;
    if (parent === undefined) return null;
    const begins = !this.#isPlain(index, owner) && (index === 0 || this.#isPlain(index - 1, owner));
    const begin = begins ? JSON.stringify([version, actsFrom]) : "";
    return `${parent}${begin}/${tokens.slice(index * this.pageSize, (index + 1) * this.pageSize).join()}`;
  }

  /** Returns true if page `index` of an owner's sequences has only the base model's keys and values. */
  #isPlain(index: number, { version, plainUntil = 0 }: PrefixOwner): boolean {
    return version === null || (index + 1) * this.pageSize <= plainUntil;
  }

  /** Drops the cached pages of an adapter version. */
  drop(version: string): void {
    for (const shared of [...this.#byPage.values()]) {
      if (shared.version !== version) continue;
      this.#forget(shared);
      if (this.#idle.delete(shared.page)) this.#empty.push(shared.page);
    }
  }
}
