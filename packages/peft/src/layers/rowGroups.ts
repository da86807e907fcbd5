import { add, affine, cat, expand, formatShape, indexAdd, indexSelect, scope, Tensor, tensor } from "@lowrank/core";
import { type LowRankRowsParams, widen } from "@lowrank/core/internal";
import { Module, type UnaryModule } from "@lowrank/nn";
import type { AdapterIndices } from "./activeAdapter.ts";
import type { ProductTable } from "./productTable.ts";
import type { LayerAdapter } from "./tunerLayer.ts";

/** The row indices of a batch, grouped by adapter name. The key null is the base model. */
export type RowGroups = ReadonlyMap<string | null, readonly number[]>;

/**
 * Computes a module's output with one adapter, or with the base model alone (null). `inner` is the module to which the
 * adapter is applied, default: the base model's module.
 */
export type Run = (name: string | null, inputs: readonly unknown[], inner?: UnaryModule) => Tensor;

function grouped(names: readonly (string | null)[]): RowGroups {
  const groups = new Map<string | null, number[]>();
  for (const [row, name] of names.entries()) {
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  return groups;
}

const lists = new WeakMap<RowGroups, readonly (readonly number[])[]>();

/**
 * Returns the row indices of each adapter, in the map's order and without the base model. Repeated calls with the same
 * map return the same frozen arrays.
 */
export function rowsByAdapter(groups: RowGroups): readonly (readonly number[])[] {
  let rows = lists.get(groups);
  if (!rows) {
    const own: (readonly number[])[] = [];
    for (const [name, list] of groups) if (name !== null) own.push(Object.freeze(list.slice()));
    rows = Object.freeze(own);
    lists.set(groups, rows);
  }
  return rows;
}

/** The adapters that a batch's rows use. All layers share this object during a forward pass. */
export class BatchRows {
  /** The adapter of each row; null for the base model. */
  readonly names: readonly (string | null)[];
  /** The names of the distinct adapters in the batch, without the base model. */
  readonly adapters: readonly string[];
  /** The index of each adapter of `adapters` in `AdapterIndices`, in the same order. */
  readonly slots: readonly number[];
  /** The row indices by adapter, including null for the base model. */
  readonly all: RowGroups;
  /** Cached results of `without`, keyed by the names of the adapters that a layer lacks. */
  readonly #without = new Map<string, RowGroups>();
  /** The result of the last call of `scaled`, which a repeated call returns again. */
  #scaled: LowRankRowsParams | null = null;

  constructor(names: readonly (string | null)[], slots: AdapterIndices) {
    this.names = names;
    this.all = grouped(names);
    this.adapters = [...this.all.keys()].filter((name) => name !== null);
    this.slots = this.adapters.map((name) => slots.of(name));
  }

  /**
   * Returns the parameters of the op that computes the low-rank products of all adapters of the batch. All products get
   * the same `scaling`. Repeated calls with the same scaling return the same object.
   */
  scaled(scaling: number): LowRankRowsParams {
    if (!this.#scaled || (this.slots.length > 0 && this.#scaled.scalings[0] !== scaling)) {
      this.#scaled = { rows: rowsByAdapter(this.all), scalings: this.slots.map(() => scaling) };
    }
    return this.#scaled;
  }

  /** Returns the row indices by adapter. Rows of adapters for which `has` is false count as base model rows. */
  groups(has: (name: string) => boolean): RowGroups {
    return this.without(this.adapters.filter((name) => !has(name)));
  }

  /** Returns the row indices by adapter. Rows of the `missing` adapters count as base model rows. */
  without(missing: readonly string[]): RowGroups {
    if (missing.length === 0) return this.all;
    // A space is a safe separator, since adapter names cannot contain one.
    const key = missing.join(" ");
    const known = this.#without.get(key);
    if (known) return known;
    const groups = grouped(this.names.map((name) => (name !== null && missing.includes(name) ? null : name)));
    this.#without.set(key, groups);
    return groups;
  }

  /** Throws if an input's first dimension differs from the number of adapter names. */
  check(inputs: readonly unknown[]): void {
    const { length } = this.names;
    for (const input of inputs) {
      if (!(input instanceof Tensor) || (input.ndim > 1 && input.shape[0] === length)) continue;
      throw new Error(
        `withAdapterNames: ${length} names for an input ${formatShape(input.shape)} of an adapted module; its first dimension must be the batch's ${length} rows`,
      );
    }
  }
}

/**
 * Combines all groups for which `join` returns true into one group of rows. `joined` contains the combined group under
 * the key null, and the remaining groups unchanged. `parts` contains the groups that were combined, with row indices
 * relative to the combined group instead of the whole batch.
 */
export function joinGroups(
  groups: RowGroups,
  join: (name: string | null) => boolean,
): { joined: RowGroups; parts: RowGroups } {
  const joined = new Map<string | null, readonly number[]>();
  const parts = new Map<string | null, readonly number[]>();
  const rows = [...groups].flatMap(([name, own]) => (join(name) ? own : [])).sort((a, b) => a - b);
  const places = new Map(rows.map((row, place) => [row, place]));
  if (rows.length > 0) joined.set(null, rows);
  for (const [name, own] of groups) {
    if (join(name))
      parts.set(
        name,
        own.map((row) => places.get(row)!),
      );
    else joined.set(name, own);
  }
  return { joined, parts };
}

/** Calls `run` for each adapter with its rows of the inputs, and returns the outputs in the batch's row order. */
export function onRows(groups: RowGroups, inputs: readonly unknown[], run: Run): Tensor {
  const [only] = groups.keys();
  if (groups.size === 1) return run(only, inputs);
  const { backend } = (inputs.find((input) => input instanceof Tensor) as Tensor).storage;
  return scope(() => {
    const parts = [...groups].map(([name, rows]) => {
      const index = tensor(Int32Array.from(rows), { backend });
      const part = inputs.map((input) => rowsOf(input, index));
      return run(name, part);
    });
    const order = [...groups.values()].flat();
    const back = new Int32Array(order.length);
    for (const [position, row] of order.entries()) back[row] = position;
    const all = cat(parts, { dim: 0 });
    if (order.every((row, position) => row === position)) return all;
    return indexSelect(all, tensor(back, { backend }), { dim: 0 });
  });
}

function rowsOf(input: unknown, index: Tensor): unknown {
  if (input instanceof Tensor) return indexSelect(input, index, { dim: 0 });
  if (input === undefined || input instanceof Module) return input;
  throw new Error(
    "withAdapterNames: an adapted module has an input that is not a tensor, which cannot be split into rows",
  );
}

/**
 * Returns `y` with each adapter's update added to its rows. `added` computes an adapter's update from its rows of `x`.
 */
export function addOnRows(y: Tensor, groups: RowGroups, x: Tensor, added: (name: string, x: Tensor) => Tensor): Tensor {
  const { backend } = y.storage;
  return scope(() => {
    const parts: Tensor[] = [];
    const places: number[] = [];
    for (const [name, rows] of groups) {
      if (name === null) continue;
      const all = rows.length === y.shape[0];
      parts.push(added(name, all ? x : indexSelect(x, tensor(Int32Array.from(rows), { backend }), { dim: 0 })));
      places.push(...rows);
    }
    if (parts.length === 0) return y;
    const sum = parts.length > 1 ? cat(parts, { dim: 0 }) : parts[0];
    if (places.length === y.shape[0] && places.every((row, i) => row === i)) return add(y, sum);
    return indexAdd(y, tensor(Int32Array.from(places), { backend }), sum, { dim: 0 });
  });
}

/** Returns an adapter's LoRA bias times its scaling, expanded to the shape of `like`. */
function scaledBias({ lowRank }: LayerAdapter, like: Tensor): Tensor {
  return expand(affine(widen(lowRank!.bias!), { scale: lowRank!.scaling }), like.shape);
}

/**
 * Returns a function that adds the updates of several adapters to a base layer's output y, given the layer's input x.
 * Each adapter changes only its own rows of the batch. All adapters must be of a kind that only adds to the output. One
 * op computes the low-rank products of all adapters, and a row's result does not depend on other rows.
 */
export function addingByRows(
  groups: RowGroups,
  adapters: ReadonlyMap<string, LayerAdapter>,
  table: ProductTable,
): (y: Tensor, x: Tensor) => Tensor {
  const products = new Map<string, readonly number[]>();
  const biased = new Map<string, readonly number[]>();
  const others = new Map<string, readonly number[]>();
  for (const [name, rows] of groups) {
    if (name === null) continue;
    const { lowRank } = adapters.get(name)!;
    (lowRank ? products : others).set(name, rows);
    if (lowRank?.bias) biased.set(name, rows);
  }
  const addProducts = table.adding(products);
  return (y, x) =>
    scope(() => {
      let sum = addProducts(y, x);
      sum = addOnRows(sum, biased, sum, (name, part) => scaledBias(adapters.get(name)!, part));
      return addOnRows(sum, others, x, (name, part) => adapters.get(name)!.added!(part));
    });
}
