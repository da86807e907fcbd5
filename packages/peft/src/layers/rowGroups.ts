import { add, cat, formatShape, indexAdd, indexSelect, scope, Tensor, tensor } from "@lowrank/core";
import { Module } from "@lowrank/nn";

/** The rows of a batch by the adapter that acts on them; those of the base model under null. */
export type RowGroups = ReadonlyMap<string | null, readonly number[]>;

/** Computes a module's output with one adapter, or with the base model alone (null). */
export type Run = (name: string | null, inputs: readonly unknown[]) => Tensor;

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

/** Returns the rows of each adapter, in the groups' order: the same frozen lists always. */
export function rowsByAdapter(groups: RowGroups): readonly (readonly number[])[] {
  let rows = lists.get(groups);
  if (!rows) {
    rows = Object.freeze([...groups].flatMap(([name, own]) => (name === null ? [] : [Object.freeze([...own])])));
    lists.set(groups, rows);
  }
  return rows;
}

/** The adapters of a batch's rows. All layers of a pass share the groups that it makes of them. */
export class BatchRows {
  /** An adapter for each row; null for the base model. */
  readonly names: readonly (string | null)[];
  readonly #groups: RowGroups;
  /** Groups for layers without some of the adapters, by the names that are missing. */
  readonly #lacking = new Map<string, RowGroups>();

  constructor(names: readonly (string | null)[]) {
    this.names = names;
    this.#groups = grouped(names);
  }

  /**
   * Returns the rows by adapter; those whose adapter does not sit here go with the base model's.
   */
  groups(has: (name: string) => boolean): RowGroups {
    let missing = "";
    // No adapter's name has a space.
    for (const name of this.#groups.keys()) if (name !== null && !has(name)) missing += `${name} `;
    if (missing === "") return this.#groups;
    const known = this.#lacking.get(missing);
    if (known) return known;
    const groups = grouped(this.names.map((name) => (name !== null && has(name) ? name : null)));
    this.#lacking.set(missing, groups);
    return groups;
  }

  /**
   * Returns the rows by adapter, as `groups` does, and beside them what `find` gives for each; null
   * for the base model. Those for which it gives nothing do not sit here.
   */
  find<T>(find: (name: string) => T | undefined): { groups: RowGroups; found: readonly (T | null)[] } {
    const found: (T | null)[] = [];
    for (const name of this.#groups.keys()) {
      const one = name === null ? null : find(name);
      if (one !== undefined) found.push(one);
    }
    if (found.length === this.#groups.size) return { groups: this.#groups, found };
    const groups = this.groups((name) => find(name) !== undefined);
    return { groups, found: Array.from(groups.keys(), (name) => (name === null ? null : find(name)!)) };
  }

  /** Throws for inputs of another batch. */
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
 * Puts the groups that `join` names into one, under null. `parts` are they, by their places among
 * the joined rows.
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

/** Runs each adapter on its rows, and puts the results in the batch's order. */
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
  throw new Error("withAdapterNames: a module that takes more than tensors cannot be run row by row");
}

/**
 * A batch with something added to some of its rows: `added` gives it for an adapter's rows of `x`.
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
