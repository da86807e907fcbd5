import type { Tensor } from "@lowrank/core";
import { InputTable, type LowRankRowsParams, lowRankRows } from "@lowrank/core/internal";
import type { AdapterIndices } from "./activeAdapter.ts";
import { type BatchRows, type RowGroups, rowsByAdapter } from "./rowGroups.ts";
import type { LowRank } from "./tunerLayer.ts";

/**
 * Adds the adapters' updates, computed from a base layer's input x, to the layer's output y. Each adapter changes only
 * its own rows of the batch.
 */
type AddRows = (y: Tensor, x: Tensor) => Tensor;

/**
 * Kinds of adapters on a layer. `unknown`: not determined yet. `product`: adds a low-rank product to the layer's output
 * and does nothing else. `other`: does more or something else.
 */
const [unknown, product, other] = [0, 1, 2];

/**
 * Caches the low-rank products that adapters add to one layer, indexed by the adapters' integers in `AdapterIndices`.
 * Without this table, each layer would look up each adapter of a batch by name. With dozens of adapters, these lookups
 * can take longer than the products.
 */
export class ProductTable {
  readonly #slots: AdapterIndices;
  readonly #table = new InputTable(lowRankRows);
  /** The kind of each adapter on this layer, by the adapter's index. */
  readonly #kinds: number[] = [];
  /** The scaling of each adapter's product, by the adapter's index. */
  readonly #scalings: number[] = [];
  /** Number of cached adapters of kind `product`. */
  #products = 0;
  /** The scaling of all cached adapters of kind `product`; NaN if their scalings differ. */
  #scaling = 0;

  constructor(slots: AdapterIndices) {
    this.#slots = slots;
  }

  /** Discards the cached entry of an adapter that was changed, added or removed. */
  forget(name: string): void {
    const slot = this.#slots.of(name);
    if (this.#kinds[slot] !== unknown) this.#table.delete(slot);
    if (this.#kinds[slot] === product) this.#products--;
    this.#kinds[slot] = unknown;
  }

  /** Discards all cached entries. */
  clear(): void {
    for (const slot of this.#kinds.keys()) this.#kinds[slot] = unknown;
    this.#products = 0;
  }

  /**
   * Returns true if every adapter of the batch only adds a product, without a bias, to this layer's output. `find`
   * returns an adapter's product, or undefined if it has none.
   */
  hasAll({ adapters, slots }: BatchRows, find: (name: string) => LowRank | undefined): boolean {
    // Fast path: if all adapters of the model are products, no layer has to check the batch.
    if (this.#products === this.#slots.count) return true;
    let all = true;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      const kind = this.#kinds[slot] || this.#look(slot, find(adapters[i]));
      all &&= kind === product;
    }
    return all;
  }

  #look(slot: number, lowRank: LowRank | undefined): number {
    if (lowRank) {
      this.#table.set(slot, [lowRank.a, lowRank.b]);
      this.#scalings[slot] = lowRank.scaling;
    }
    this.#kinds[slot] = lowRank && !lowRank.bias ? product : other;
    if (this.#kinds[slot] === product) {
      const scaling = this.#scalings[slot];
      this.#scaling = this.#products === 0 || this.#scaling === scaling ? scaling : Number.NaN;
      this.#products++;
    }
    return this.#kinds[slot];
  }

  /**
   * Returns a function that adds the products of all adapters in the batch. Call it only after `hasAll` returned true.
   */
  addingAll(batch: BatchRows): AddRows {
    const { all, slots } = batch;
    // Parameters that all layers share stay in the processor's cache.
    if (!Number.isNaN(this.#scaling)) return this.#adding(slots, batch.scaled(this.#scaling));
    return this.#adding(slots, this.#scaled(slots, rowsByAdapter(all)));
  }

  /**
   * Returns a function that adds the adapters' products to their rows of the batch. `products` maps adapter names to
   * row indices. Other rows are unchanged.
   */
  adding(products: RowGroups): AddRows {
    const slots = Array.from(products.keys(), (name) => this.#slots.of(name!));
    return this.#adding(slots, this.#scaled(slots, rowsByAdapter(products)));
  }

  #scaled(slots: readonly number[], rows: LowRankRowsParams["rows"]): LowRankRowsParams {
    return { rows, scalings: slots.map((slot) => this.#scalings[slot]) };
  }

  #adding(slots: readonly number[], params: LowRankRowsParams): AddRows {
    if (slots.length === 0) return (y) => y;
    return (y, x) => this.#table.run(slots, params, y, x);
  }
}
