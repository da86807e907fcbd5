import { copyInto, init, memory, ones, randn, reference, slice, tensor } from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import { PagedBatch } from "./pagedBatch.ts";
import { PagedKVCache } from "./pagedKVCache.ts";

const sizes = { layers: 2, pages: 3, pageSize: 4, keyValueHeads: 2, headDim: 5 };

beforeAll(() => init(reference()));

it("copies a page in every layer, and leaves the others", () => {
  using cache = new PagedKVCache(sizes);
  const before = cache.layers.map(({ keys, values }) =>
    [keys, values].map((pool) => {
      const rows = randn([3, 4, 2, 5]);
      copyInto(pool, rows);
      return rows;
    }),
  );
  cache.copyPage(2, 0);
  const page = (t: (typeof before)[0][0], i: number) => slice(t, { start: i, end: i + 1 }).dataSync();
  for (const [layer, { keys, values }] of cache.layers.entries()) {
    for (const [i, pool] of [keys, values].entries()) {
      expect(page(pool, 0)).toEqual(page(before[layer][i], 2));
      expect(page(pool, 1)).toEqual(page(before[layer][i], 1));
      expect(page(pool, 2)).toEqual(page(before[layer][i], 2));
    }
  }
  expect(() => cache.copyPage(0, 3)).toThrow("copyPage: there is no page 3; the cache has pages 0..2");
});

it("says how many bytes it takes, and gives them back", () => {
  const before = memory().bytes;
  const cache = new PagedKVCache(sizes);
  expect(memory().bytes - before).toBe(cache.bytes);
  cache.dispose();
  expect(memory().bytes).toBe(before);
});

it("has pages of 16 positions by default, and refuses sizes that are none", () => {
  using cache = new PagedKVCache({ layers: 1, pages: 1, keyValueHeads: 1, headDim: 1 });
  expect(cache.pageSize).toBe(16);
  expect(() => new PagedKVCache({ ...sizes, pages: 0 })).toThrow("PagedKVCache: pages is 0");
  expect(() => new PagedKVCache({ ...sizes, layers: 1.5 })).toThrow("PagedKVCache: layers is 1.5");
});

it("is refused where a layer asks for a mask or for dropout", () => {
  using cache = new PagedKVCache(sizes);
  const rows = { positions: Int32Array.of(0), sequences: Int32Array.of(0), tables: [Int32Array.of(1)] };
  const batch = new PagedBatch(cache, rows);
  const [q, kv] = [ones(1, 1, 4, 5), ones(1, 1, 2, 5)];
  const attend = (more: object) => () => batch.attend(0, q, kv, kv, { scale: 1, causal: true, ...more });
  expect(attend({ mask: tensor([1], { dtype: "u8" }) })).toThrow(
    "PagedBatch: attention is always causal, without mask and dropout; call model.eval() first",
  );
  expect(attend({ dropoutP: 0.1 })).toThrow("call model.eval() first");
  expect(attend({ causal: false })).toThrow("PagedBatch");
  expect(attend({})().dataSync()).toEqual(q.dataSync());
});
