import { attention, Generator, init, memory, randn, reference, scope, slice, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import { KVCache } from "./kvCache.ts";

beforeAll(() => init(reference()));

const sizes = { layers: 2, batch: 2, capacity: 5, keyValueHeads: 2, headDim: 4 };
const draw = (shape: number[], seed: number) => randn(shape, { generator: new Generator(seed) });
const part = (t: Tensor, start: number, end: number) => slice(t, { dim: 1, start, end });
const close = (found: Tensor, wanted: Tensor) => {
  expect(found.shape).toEqual(wanted.shape);
  const values = wanted.dataSync();
  for (const [i, x] of found.dataSync().entries()) expect(x).toBeCloseTo(Number(values[i]), 5);
};

it("attention over parts of a sequence is that over the whole, in every layer", () => {
  using cache = new KVCache(sizes);
  const layers = [0, 1].map((layer) => ({
    q: draw([2, 5, 4, 4], 3 * layer),
    k: draw([2, 5, 2, 4], 3 * layer + 1),
    v: draw([2, 5, 2, 4], 3 * layer + 2),
  }));
  const wholes = layers.map(({ q, k, v }) => attention(q, k, v, { scale: 0.5, causal: true }));
  let seen = 0;
  for (const count of [2, 1, 2]) {
    const end = seen + count;
    for (const [layer, { q, k, v }] of layers.entries()) {
      const [newQ, newK, newV] = [q, k, v].map((t) => part(t, seen, end));
      close(cache.attend(layer, newQ, newK, newV, { scale: 0.5, causal: true }), part(wholes[layer], seen, end));
    }
    cache.advance(count);
    seen = end;
    expect(cache.length).toBe(seen);
  }
});

it("rows fill the capacity, and no more", () => {
  using cache = new KVCache(sizes);
  const rows = (count: number) => draw([2, count, 2, 4], 1);
  expect(cache.update(0, rows(5), rows(5)).keyLength).toBe(5);
  expect(cache.length).toBe(0);
  cache.advance(3);
  const { keys, values, keyLength } = cache.update(1, rows(2), draw([2, 2, 2, 4], 2));
  expect([keys.shape, keyLength]).toEqual([[2, 5, 2, 4], 5]);
  expect(part(keys, 3, 5).dataSync()).toEqual(rows(2).dataSync());
  expect(part(values, 3, 5).dataSync()).toEqual(draw([2, 2, 2, 4], 2).dataSync());
  expect(part(keys, 0, 3).dataSync()).toEqual(new Float32Array(48));
  expect(() => cache.update(0, rows(3), rows(3))).toThrow(
    "KVCache: 6 tokens do not fit the capacity of 5; make a larger cache",
  );
});

/** Returns rows [2, values.length, 1]; the second sequence has ten times the values of the first. */
const rowsOf = (...values: number[]) =>
  tensor([...values, ...values.map((x) => 10 * x)], { shape: [2, values.length, 1] });
const valuesOf = (tensors: readonly Tensor[]) => tensors.map((t) => [...t.dataSync()]);

it("earlier rows go back to the parts before, and to zeros at the start", () => {
  using cache = new KVCache(sizes);
  expect(valuesOf(cache.earlier(0, rowsOf(1, 2, 3), 2))).toEqual([
    [0, 1, 2, 0, 10, 20],
    [0, 0, 1, 0, 0, 10],
  ]);
  expect(valuesOf(cache.earlier(0, rowsOf(4), 2))).toEqual([
    [3, 30],
    [2, 20],
  ]);
  expect(valuesOf(cache.earlier(0, rowsOf(5), 2))).toEqual([
    [4, 40],
    [3, 30],
  ]);
  expect(valuesOf(cache.earlier(1, rowsOf(7), 1))).toEqual([[0, 0]]);
});

it("a cache is cut to fewer tokens, and to none where earlier rows are gone", () => {
  using cache = new KVCache(sizes);
  cache.advance(4);
  expect([cache.truncate(6), cache.length]).toEqual([4, 4]);
  expect([cache.truncate(3), cache.length]).toEqual([3, 3]);
  cache.earlier(0, rowsOf(1, 2, 3), 1);
  expect([cache.truncate(3), cache.length]).toEqual([3, 3]);
  expect(valuesOf(cache.earlier(0, rowsOf(4), 1))).toEqual([[3, 30]]);
  expect([cache.truncate(2), cache.length]).toEqual([0, 0]);
  expect(valuesOf(cache.earlier(0, rowsOf(5), 1))).toEqual([[0, 0]]);
});

it("sequences go on from those that are chosen", () => {
  using cache = new KVCache(sizes);
  const [keys, values] = [draw([2, 2, 2, 4], 1), draw([2, 2, 2, 4], 2)];
  for (const layer of [0, 1]) cache.update(layer, keys, values);
  cache.earlier(0, rowsOf(1), 1);
  cache.advance(2);
  cache.reorder(tensor([1, 1, 0], { dtype: "i32" }));
  const one = draw([3, 1, 2, 4], 3);
  for (const layer of [0, 1]) {
    const found = cache.update(layer, one, one);
    for (const [held, given] of [[found.keys, keys] as const, [found.values, values] as const]) {
      const kept = part(held, 0, 2).dataSync();
      const rows = [...given.dataSync()];
      expect([...kept]).toEqual([...rows.slice(16), ...rows.slice(16), ...rows.slice(0, 16)]);
      expect(part(held, 2, 3).dataSync()).toEqual(one.dataSync());
    }
  }
  const next = tensor([5, 6, 7], { shape: [3, 1, 1] });
  expect(valuesOf(cache.earlier(0, next, 1))).toEqual([[10, 10, 1]]);
});

it("all memory is given back", () => {
  const { bytes } = memory();
  scope(() => {
    const cache = new KVCache(sizes);
    expect(memory().bytes - bytes).toBe(2 * 2 * (2 * 5 * 2 * 4) * 4);
    cache.earlier(0, rowsOf(1), 1);
    cache.earlier(0, rowsOf(2), 1);
    cache.reorder(tensor([1], { dtype: "i32" }));
    cache.dispose();
  });
  expect(memory().bytes).toBe(bytes);
});
