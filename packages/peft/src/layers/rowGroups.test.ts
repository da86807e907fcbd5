import { init, reference, type Tensor, tensor } from "@lowrank/core";
import { Sequential } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { AdapterIndices } from "./activeAdapter.ts";
import { addOnRows, BatchRows, joinGroups, onRows, type RowGroups, rowsByAdapter } from "./rowGroups.ts";

beforeAll(() => init(reference()));

const batch = (...names: (string | null)[]) => new BatchRows(names, new AdapterIndices());
const entries = (groups: RowGroups) => Object.fromEntries([...groups].map(([name, rows]) => [String(name), rows]));
const values = (t: Tensor) => [...t.dataSync()].map(Number);
/** Rows [n, 2] whose values identify the row. */
const rows = (n: number) =>
  tensor(
    Float32Array.from({ length: 2 * n }, (_, i) => 10 * (i >> 1) + (i % 2)),
    { shape: [n, 2] },
  );

test("adapters have slots, which are used again when they are given back", () => {
  const slots = new AdapterIndices();
  expect(["a", "b", "a", "c"].map((name) => slots.of(name))).toEqual([0, 1, 0, 2]);
  slots.release("b");
  slots.release("none");
  expect(slots.count).toBe(2);
  expect([slots.of("d"), slots.of("e"), slots.count]).toEqual([1, 3, 4]);
});

test("a batch has its rows by adapter, in the order of the rows", () => {
  const of = batch("b", null, "a", "b", null);
  expect(entries(of.all)).toEqual({ b: [0, 3], null: [1, 4], a: [2] });
  expect([of.adapters, of.slots]).toEqual([
    ["b", "a"],
    [0, 1],
  ]);
  const lists = rowsByAdapter(of.all);
  expect(lists).toEqual([[0, 3], [2]]);
  expect(rowsByAdapter(of.all)).toBe(lists);
  expect([lists, ...lists].every(Object.isFrozen)).toBe(true);
});

test("rows of adapters that a layer lacks go with the base model's", () => {
  const of = batch("b", null, "a", "c");
  expect(of.without([])).toBe(of.all);
  expect(of.groups(() => true)).toBe(of.all);
  expect(entries(of.without(["a"]))).toEqual({ b: [0], null: [1, 2], c: [3] });
  expect(of.groups((name) => name !== "a")).toBe(of.without(["a"]));
  expect(entries(of.groups((name) => name === "a"))).toEqual({ null: [0, 1, 3], a: [2] });
});

test("products of one scaling share their parameters", () => {
  const of = batch("a", null, "b");
  const two = of.scaled(2);
  expect(two).toEqual({ rows: [[0], [2]], scalings: [2, 2] });
  expect(of.scaled(2)).toBe(two);
  expect(of.scaled(3)).toEqual({ rows: [[0], [2]], scalings: [3, 3] });
  const none = batch(null, null);
  expect(none.scaled(1)).toEqual({ rows: [], scalings: [] });
  expect(none.scaled(2)).toBe(none.scaled(1));
});

test("inputs are tensors of the batch's rows", () => {
  const of = batch("a", "b");
  const fail = (shape: string) =>
    `withAdapterNames: 2 names for an input ${shape} of an adapted module; its first dimension must be the batch's 2 rows`;
  of.check([rows(2), undefined, 3, new Sequential()]);
  expect(() => of.check([rows(3)])).toThrow(new Error(fail("[3,2]")));
  expect(() => of.check([rows(2), rows(1)])).toThrow(fail("[1,2]"));
  expect(() => of.check([tensor([1, 2])])).toThrow(fail("[2]"));
});

test("joined groups are one, whose parts count by the joined rows", () => {
  const { all } = batch("b", null, "a", "b", "c", "a");
  const { joined, parts } = joinGroups(all, (name) => name === "a" || name === "b");
  expect([...joined]).toEqual([
    [null, [1]],
    ["c", [4]],
  ]);
  expect(entries(parts)).toEqual({ b: [0, 2], a: [1, 3] });
  const apart = joinGroups(all, () => false);
  expect(entries(apart.joined)).toEqual(entries(all));
  expect(apart.parts.size).toBe(0);
  const plain = joinGroups(batch("b", null, "a", "b").all, (name) => name !== "a");
  expect([entries(plain.joined), entries(plain.parts)]).toEqual([
    { null: [0, 1, 3], a: [2] },
    { b: [0, 2], null: [1] },
  ]);
});

test("adapters run on their rows, and the results are in the batch's order", () => {
  const seen: unknown[] = [];
  const run = (name: string | null, [x, other]: readonly unknown[]) => {
    seen.push([name, values(x as Tensor), other]);
    return (x as Tensor).add(name === null ? 0 : name.charCodeAt(0));
  };
  const module = new Sequential();
  const mixed = onRows(batch("a", null, "a", "b").all, [rows(4), module], run);
  expect(values(mixed)).toEqual([97, 98, 10, 11, 117, 118, 128, 129]);
  expect(seen).toEqual([
    ["a", [0, 1, 20, 21], module],
    [null, [10, 11], module],
    ["b", [30, 31], module],
  ]);
  expect(values(onRows(batch("a", "a", "b").all, [rows(3)], run))).toEqual([97, 98, 107, 108, 118, 119]);
  const whole = rows(2);
  expect(onRows(batch("a", "a").all, [whole], (_name, [x]) => x as Tensor)).toBe(whole);
  expect(() => onRows(batch("a", "b").all, [rows(2), 3], run)).toThrow(
    "withAdapterNames: an adapted module has an input that is not a tensor, which cannot be split into rows",
  );
});

test("what is added goes to the rows of its adapter", () => {
  const added = (name: string, x: Tensor) => x.mul(name === "a" ? 100 : 1000);
  const sum = (...names: (string | null)[]) => {
    const n = names.length;
    return values(addOnRows(rows(n), batch(...names).all, rows(n), added)).map((x) => x / 1);
  };
  expect(sum("a", null, "b")).toEqual([0, 101, 10, 11, 20020, 21021]);
  expect(sum("b", "a", "b")).toEqual([0, 1001, 1010, 1111, 20020, 21021]);
  expect(sum("a", "a")).toEqual([0, 101, 1010, 1111]);
  expect(sum("a", "b")).toEqual([0, 101, 10010, 11011]);
  const y = rows(2);
  expect(addOnRows(y, batch(null, null).all, rows(2), added)).toBe(y);
  const given: Tensor[] = [];
  const x = rows(2);
  addOnRows(rows(2), batch("a", "a").all, x, (_name, own) => {
    given.push(own);
    return own;
  });
  expect(given).toEqual([x]);
});
