import { InputTable, type LowRankRowsParams, lowRankRows, type Tensor } from "@lowrank/core";
import type { AdapterIndices } from "./adapterIndices.ts";
import { type BatchRows, type RowGroups, rowsByAdapter } from "./rowGroups.ts";
import type { LowRank } from "./tunerLayer.ts";

/** Adds to a base layer's output y what adapters give for its input x, each on its rows. */
type AddRows = (y: Tensor, x: Tensor) => Tensor;

/** Kinds of adapters: those of which nothing is known, that add a product alone, and others. */
const [unknown, product, other] = [0, 1, 2];

/**
 * The products of low rank that adapters add to one layer, in a table by their slots. A batch that
 * names dozens of adapters then asks little of each: in a large model the look at one more object
 * for each adapter and layer takes longer than its product.
 */
export class ProductTable {
  readonly #slots: AdapterIndices;
  readonly #table = new InputTable(lowRankRows);
  /** By slot: what is known of the adapter that has it, and the scaling of its product. */
  readonly #kinds: number[] = [];
  readonly #scalings: number[] = [];
  /** The number of slots with a product alone, and the scaling of all these; NaN: they differ. */
  #products = 0;
  #scaling = 0;

  constructor(slots: AdapterIndices) {
    this.#slots = slots;
  }

  /** Forgets an adapter that is changed, comes or goes. */
  forget(name: string): void {
    const slot = this.#slots.of(name);
    if (this.#kinds[slot] !== unknown) this.#table.delete(slot);
    if (this.#kinds[slot] === product) this.#products--;
    this.#kinds[slot] = unknown;
  }

  /** Forgets what is known of all. */
  clear(): void {
    for (const slot of this.#kinds.keys()) this.#kinds[slot] = unknown;
    this.#products = 0;
  }

  /** True if all adapters of a batch add a product and nothing else; `find` gives that of each. */
  hasAll({ adapters, slots }: BatchRows, find: (name: string) => LowRank | undefined): boolean {
    // Mostly all adapters of a model do, and a batch need not be gone through in each layer.
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

  /** Returns a function that adds the products of a batch's adapters, which `hasAll` knows. */
  addingAll(batch: BatchRows): AddRows {
    const { all, slots } = batch;
    // Parameters that layers share stay in the processor's cache.
    if (!Number.isNaN(this.#scaling)) return this.#adding(slots, batch.scaled(this.#scaling));
    return this.#adding(slots, this.#scaled(slots, rowsByAdapter(all)));
  }

  /** The same for these adapters alone, on their rows. */
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
