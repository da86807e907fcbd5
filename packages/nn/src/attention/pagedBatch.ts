import { embedding, mul, reshape, type Tensor, tensor } from "@lowrank/core";
import { checkOptions, pagedAttention, pagedWrite } from "@lowrank/core/internal";
import { type AttentionCache, attendKeys, type CachedAttendOptions } from "./attentionCache.ts";
import type { PagedKVCache } from "./pagedKVCache.ts";

/**
 * The rows (tokens) of one forward pass, which belong to one or more sequences, and the page tables of these sequences.
 */
export interface PagedRows {
  /** Position of each of the N rows in its sequence. */
  readonly positions: Int32Array;
  /** Sequence of each row, as an index into `tables`. */
  readonly sequences: Int32Array;
  /**
   * Page table of each sequence: entry i is the page that stores the positions i * pageSize to (i + 1) * pageSize - 1.
   */
  readonly tables: readonly Int32Array[];
}

/** Value that fills the unused entries of short page tables. It is not the number of any page. */
const noPage = -1;

/**
 * The cache argument of a forward pass in a paged cache. The batch is [N, 1]: N tokens of one or more sequences. Each
 * layer writes the keys and values of all N tokens to their pages before attention, so tokens of the same sequence can
 * attend to each other. Create the object inside the `scope` of the forward pass, so that its tensors are freed with
 * that scope.
 */
export class PagedBatch implements AttentionCache {
  /** The largest of the rows' positions. */
  readonly length: number;
  readonly holdsSeveral = true;
  readonly #cache: PagedKVCache;
  readonly #tables: Tensor;
  readonly #rows: Tensor;
  readonly #slots: Tensor;
  readonly #batch: PagedRows;

  /**
   * Throws if a row's position has no page in its page table, or if two rows have the same page and the same offset in
   * it.
   */
  constructor(cache: PagedKVCache, batch: PagedRows) {
    const slots = slotsOf(cache, batch);
    const { positions, sequences, tables } = batch;
    const { backend } = cache;
    const widest = tables.reduce((most, table) => Math.max(most, table.length), 0);
    const pages = new Int32Array(tables.length * widest).fill(noPage);
    for (const [s, table] of tables.entries()) pages.set(table, s * widest);
    const rows = Int32Array.from({ length: 2 * slots.length }, (_, i) => (i % 2 ? positions : sequences)[i >> 1]);
    this.#cache = cache;
    this.#batch = batch;
    this.length = positions.reduce((most, position) => Math.max(most, position), 0);
    this.#tables = tensor(pages, { shape: [tables.length, widest], backend });
    this.#rows = tensor(rows, { shape: [slots.length, 2], backend });
    this.#slots = tensor(slots, { backend });
  }

  update(layer: number, keys: Tensor, values: Tensor): void {
    const pools = this.#cache.layers[layer];
    pagedWrite(pools.keys, asRows(keys), this.#slots);
    pagedWrite(pools.values, asRows(values), this.#slots);
  }

  attend(layer: number, q: Tensor, keys: Tensor, values: Tensor, options: CachedAttendOptions): Tensor {
    checkOptions("PagedBatch", options, attendKeys);
    const { scale, window, softcap, causal, mask, dropoutP = 0 } = options;
    if (!causal || mask || dropoutP > 0) {
      throw new Error("PagedBatch: attention is always causal, without mask and dropout; call model.eval() first");
    }
    this.update(layer, keys, values);
    const pools = this.#cache.layers[layer];
    const out = pagedAttention(asRows(q), pools.keys, pools.values, this.#tables, this.#rows, {
      scale,
      window,
      softcap,
    });
    return reshape(out, q.shape);
  }

  earlier(layer: number, rows: Tensor, count: number): Tensor[] {
    const [N, , W] = rows.shape;
    const { pages, pageSize, backend } = this.#cache;
    const pool = this.#cache.rowsOf(layer, W);
    pagedWrite(pool, reshape(rows, [N, 1, W]), this.#slots);
    const all = reshape(pool, [pages * pageSize, W]);
    const { positions, sequences, tables } = this.#batch;
    return Array.from({ length: count }, (_, i) => {
      const places = positions.map((position) => position - 1 - i);
      const slots = places.map((place, row) =>
        place < 0 ? 0 : tables[sequences[row]][Math.floor(place / pageSize)] * pageSize + (place % pageSize),
      );
      const exists = tensor(
        Float32Array.from(places, (place) => (place < 0 ? 0 : 1)),
        { shape: [N, 1], backend },
      );
      return reshape(mul(embedding(all, tensor(slots, { backend })), exists), [N, 1, W]);
    });
  }

  /** Does nothing: the caller passes the rows' positions to the constructor. */
  advance(): void {}
}

/** Returns [N, 1, heads, d] reshaped to [N, heads, d]. */
function asRows(x: Tensor): Tensor {
  const [rows, , heads, size] = x.shape;
  return reshape(x, [rows, heads, size]);
}

/** Returns each row's index in the whole cache: page * pageSize + offset in the page. */
function slotsOf({ pages, pageSize }: PagedKVCache, { positions, sequences, tables }: PagedRows): Int32Array {
  if (positions.length !== sequences.length) {
    throw new Error(
      `PagedBatch: ${positions.length} positions and ${sequences.length} sequences; give one position and one sequence for each row`,
    );
  }
  const rowOf = new Map<number, number>();
  return positions.map((position, row) => {
    const sequence = sequences[row];
    const table = tables[sequence];
    if (!table) {
      throw new Error(
        `PagedBatch: row ${row} names sequence ${sequence}, but there are only ${tables.length} page tables`,
      );
    }
    const reach = table.length * pageSize;
    if (!(position >= 0 && position < reach)) {
      throw new Error(
        `PagedBatch: row ${row} is at position ${position}, but the page table of sequence ${sequence} has ${table.length} pages of ${pageSize} tokens, for positions below ${reach}; give it ${Math.ceil((position + 1) / pageSize)} pages`,
      );
    }
    const page = table[Math.floor(position / pageSize)];
    if (!(page >= 0 && page < pages)) {
      throw new Error(
        `PagedBatch: the page table of sequence ${sequence} has page ${page} for position ${position}, but the cache has pages 0..${pages - 1}`,
      );
    }
    const slot = page * pageSize + (position % pageSize);
    const other = rowOf.get(slot);
    if (other !== undefined) {
      throw new Error(
        `PagedBatch: rows ${other} and ${row} both go to offset ${position % pageSize} of page ${page}; give each token once, and copy a page before two sequences write to it`,
      );
    }
    rowOf.set(slot, row);
    return slot;
  });
}
