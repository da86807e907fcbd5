import { attention, cat, Generator, init, randn, reference, slice, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import { PagedBatch, type PagedRows } from "./pagedBatch.ts";
import { PagedKVCache } from "./pagedKVCache.ts";

beforeAll(() => init(reference()));

const sizes = { layers: 1, pages: 4, pageSize: 2, keyValueHeads: 1, headDim: 4 };
const tables = [Int32Array.of(3, 0), Int32Array.of(1)];
const rowsOf = (positions: number[], sequences: number[]): PagedRows => ({
  positions: Int32Array.from(positions),
  sequences: Int32Array.from(sequences),
  tables,
});

it("rows of several sequences attend as each sequence alone does", () => {
  using cache = new PagedKVCache(sizes);
  const draw = (tokens: number, heads: number, seed: number) =>
    randn([1, tokens, heads, 4], { generator: new Generator(seed) });
  const sequences = [4, 2].map((tokens, i) => [draw(tokens, 2, i), draw(tokens, 1, i + 2), draw(tokens, 1, i + 4)]);
  const wholes = sequences.map(([q, k, v]) => attention(q, k, v, { scale: 0.5, causal: true }));
  /** Returns tokens of sequences as a batch [N, 1, heads, d]. */
  const at = (which: (s: number) => Tensor, { positions, sequences }: PagedRows) =>
    cat(
      Array.from(positions, (start, row) => slice(which(sequences[row]), { dim: 1, start, end: start + 1 })),
      { dim: 0 },
    );
  for (const rows of [rowsOf([0, 1, 2, 0], [0, 0, 0, 1]), rowsOf([1, 3], [1, 0])]) {
    const batch = new PagedBatch(cache, rows);
    expect([batch.length, batch.holdsSeveral]).toEqual([Math.max(...rows.positions), true]);
    const [q, k, v] = [0, 1, 2].map((i) => at((s) => sequences[s][i], rows));
    const out = batch.attend(0, q, k, v, { scale: 0.5, causal: true });
    const wanted = at((s) => wholes[s], rows).dataSync();
    expect(out.shape).toEqual(q.shape);
    for (const [i, x] of out.dataSync().entries()) expect(x).toBeCloseTo(Number(wanted[i]), 5);
    batch.advance();
  }
});

it("earlier rows come from the pages of their sequence, and are zeros before its start", () => {
  using cache = new PagedKVCache(sizes);
  const earlier = (rows: PagedRows, values: number[], count: number) => {
    const x = tensor(values, { shape: [values.length, 1, 1] });
    const found = new PagedBatch(cache, rows).earlier(0, x, count);
    expect(found.map(({ shape }) => shape)).toEqual(found.map(() => [values.length, 1, 1]));
    return found.map((t) => [...t.dataSync()]);
  };
  expect(earlier(rowsOf([0, 1, 2, 0], [0, 0, 0, 1]), [1, 2, 3, 10], 2)).toEqual([
    [0, 1, 2, 0],
    [0, 0, 1, 0],
  ]);
  expect(earlier(rowsOf([1, 3], [1, 0]), [20, 4], 3)).toEqual([
    [10, 3],
    [0, 2],
    [0, 1],
  ]);
});

it("a pool of one place has rows before the first token", () => {
  using cache = new PagedKVCache({ ...sizes, pages: 1, pageSize: 1 });
  const batch = new PagedBatch(cache, { ...rowsOf([0], [0]), tables: [Int32Array.of(0)] });
  const found = batch.earlier(0, tensor([5], { shape: [1, 1, 1] }), 2);
  expect(found.map((t) => [...t.dataSync()])).toEqual([[0], [0]]);
});

it("pools are shared by rows and layers, and counted", () => {
  using cache = new PagedKVCache({ ...sizes, layers: 2 });
  expect(cache.bytes).toBe(2 * 2 * (4 * 2 * 4) * 4);
  const rows = cache.rowsOf(1, 3);
  expect([rows.shape, cache.rowsOf(1, 3) === rows]).toEqual([[4, 2, 1, 3], true]);
  expect(cache.bytes).toBe(2 * 2 * (4 * 2 * 4) * 4 + 4 * 2 * 3 * 4);
  expect([...rows.dataSync()].every((x) => x === 0)).toBe(true);
});

describe("rows are refused", () => {
  const cases: [string, Partial<PagedRows>, string][] = [
    ["of other lengths", { positions: Int32Array.of(0, 1) }, "2 positions and 1 sequences"],
    [
      "of sequences without a table",
      { sequences: Int32Array.of(2) },
      "row 0 names sequence 2, but there are only 2 page tables",
    ],
    ["before the start", { positions: Int32Array.of(-1) }, "row 0 is at position -1"],
    [
      "after the last page",
      { positions: Int32Array.of(4) },
      "row 0 is at position 4, but the page table of sequence 0 has 2 pages of 2 tokens, for positions below 4; give it 3 pages",
    ],
    [
      "on a page that there is not",
      { positions: Int32Array.of(2), tables: [Int32Array.of(0, 4)] },
      "the page table of sequence 0 has page 4 for position 2, but the cache has pages 0..3",
    ],
    ["on a page below 0", { tables: [Int32Array.of(-1)] }, "the page table of sequence 0 has page -1 for position 0"],
    [
      "in one place",
      { positions: Int32Array.of(3, 1), sequences: Int32Array.of(0, 1), tables: [tables[0], Int32Array.of(0)] },
      "rows 0 and 1 both go to offset 1 of page 0",
    ],
  ];
  it.each(cases)("%s", (_name, change, message) => {
    using cache = new PagedKVCache(sizes);
    expect(() => new PagedBatch(cache, { ...rowsOf([0], [0]), ...change })).toThrow(message);
  });

  it("but not in the first and last places", () => {
    using cache = new PagedKVCache(sizes);
    expect(new PagedBatch(cache, rowsOf([0, 3], [0, 0])).length).toBe(3);
    expect(new PagedBatch(cache, rowsOf([0], [1])).length).toBe(0);
  });
});

it("pages are copied from the first to the last, and no others", () => {
  using cache = new PagedKVCache(sizes);
  const { keys } = cache.layers[0];
  const pool = cache.rowsOf(0, 1);
  const batch = new PagedBatch(cache, { ...rowsOf([0, 1], [0, 0]), tables: [Int32Array.of(0)] });
  const x = tensor([1, 2, 3, 4, 5, 6, 7, 8], { shape: [2, 1, 1, 4] });
  batch.update(0, x, x);
  batch.earlier(0, tensor([7, 9], { shape: [2, 1, 1] }), 1);
  cache.copyPage(0, 3);
  expect([...keys.dataSync()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, ...Array(16).fill(0), 1, 2, 3, 4, 5, 6, 7, 8]);
  expect([...pool.dataSync()]).toEqual([7, 9, 0, 0, 0, 0, 7, 9]);
  for (const page of [-1, 4, 0.5]) {
    expect(() => cache.copyPage(page, 0)).toThrow(`there is no page ${page}; the cache has pages 0..3`);
    expect(() => cache.copyPage(0, page)).toThrow(`there is no page ${page}`);
  }
});

it("layers without heads are copied past", () => {
  const perLayer = [
    { keyValueHeads: 0, headDim: 4 },
    { keyValueHeads: 1, headDim: 2 },
  ];
  using cache = new PagedKVCache({ ...sizes, layers: 2, perLayer });
  cache.copyPage(0, 1);
  expect(cache.layers.map(({ keys }) => keys.size)).toEqual([0, 16]);
  for (const name of ["layers", "pages", "pageSize", "keyValueHeads", "headDim"] as const) {
    expect(() => new PagedKVCache({ ...sizes, [name]: 0 })).toThrow(`PagedKVCache: ${name} is 0`);
  }
});
