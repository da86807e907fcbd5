import fc from "fast-check";
import { expect, test } from "vitest";
import { PagePool } from "./pagePool.ts";

const owner = { tenant: "t", version: "v" };
const tokens = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

/** Fills a table with pages and shares each. */
function write(
  pool: PagePool,
  ids: readonly number[],
  of: { tenant: string; version: string | null } = owner,
): number[] {
  const table: number[] = [];
  pool.extend(table, of, ids, ids.length);
  for (let page = table.length; (page + 1) * pool.pageSize <= ids.length; page++) {
    table.push(pool.take()!);
    pool.share(table, page, of, ids);
  }
  return table;
}

test("pages are given out once each, and given back", () => {
  const pool = new PagePool({ pages: 3, pageSize: 4 });
  const taken = [pool.take(), pool.take(), pool.take()] as number[];
  expect(new Set(taken).size).toBe(3);
  expect(pool.take()).toBeNull();
  pool.release(taken.slice(0, 1));
  expect(pool.available).toBe(1);
  expect(pool.take()).toBe(taken[0]);
});

test("a prefix is shared page by page, by all tokens before it", () => {
  const pool = new PagePool({ pages: 8, pageSize: 2 });
  const table = write(pool, [1, 2, 3, 4]);
  const found = (ids: number[], of = owner, end = ids.length) => {
    const pages: number[] = [];
    pool.extend(pages, of, ids, end);
    pool.release(pages);
    return pages;
  };
  expect(found([1, 2, 3, 4, 5])).toEqual(table);
  expect(found([1, 2, 3, 4], owner, 3)).toEqual(table.slice(0, 1));
  expect(found([1, 2, 9, 9])).toEqual(table.slice(0, 1));
  expect(found([3, 4])).toEqual([]);
  expect(found([12, 3, 4])).toEqual([]);
  expect(found([1, 2], { tenant: "other", version: "v" })).toEqual([]);
  expect(found([1, 2], { tenant: "t", version: "w" })).toEqual([]);
  expect(found([1, 2], { tenant: 't","v', version: "v" })).toEqual([]);
});

test("cached pages stay until their room is needed, the longest unused and the last of a prefix first", () => {
  const pool = new PagePool({ pages: 4, pageSize: 2 });
  const old = write(pool, [1, 2, 3, 4]);
  const young = write(pool, [5, 6, 7, 8]);
  pool.release(old);
  pool.release(young);
  expect(pool.cached).toBe(4);
  expect(pool.available).toBe(4);
  expect([pool.take(), pool.take(), pool.take()]).toEqual([old[1], old[0], young[1]]);
  const again: number[] = [];
  pool.extend(again, owner, [5, 6, 7, 8], 4);
  expect(again).toEqual([young[0]]);
  expect(pool.take()).toBeNull();
});

test("of two that write the same, both hold the page that came first", () => {
  const pool = new PagePool({ pages: 4, pageSize: 2 });
  const first = [pool.take()!];
  const second = [pool.take()!];
  pool.share(first, 0, owner, [1, 2]);
  pool.share(second, 0, owner, [1, 2]);
  expect(second).toEqual(first);
  expect(pool.available).toBe(3);
  pool.release(first);
  expect(pool.cached).toBe(0);
  pool.release(second);
  expect(pool.cached).toBe(1);
});

test("a version that is dropped is found no more, and its pages are free", () => {
  const pool = new PagePool({ pages: 2, pageSize: 2 });
  pool.release(write(pool, [1, 2]));
  pool.release(write(pool, [1, 2], { tenant: "t", version: null }));
  pool.drop("v");
  expect(pool.cached).toBe(1);
  expect(pool.available).toBe(2);
  const table: number[] = [];
  pool.extend(table, owner, [1, 2], 2);
  expect(table).toEqual([]);
});

test("nothing is shared where prefix caching is off", () => {
  const pool = new PagePool({ pages: 2, pageSize: 2, enablePrefixCaching: false });
  pool.release(write(pool, [1, 2]));
  expect(pool.cached).toBe(0);
  const table: number[] = [];
  pool.extend(table, owner, [1, 2], 2);
  expect(table).toEqual([]);
});

test("whatever sequences do, a page that is written has one holder, and shared ones hold their tokens", () => {
  const step = fc.record({ what: fc.constantFrom("join", "grow", "leave", "drop"), at: fc.nat(), seed: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const pool = new PagePool({ pages: 6, pageSize: 2 });
      /** Tokens up to the end of each page, as a cache would hold them. */
      const content = new Map<number, string>();
      const live: { table: number[]; ids: number[]; written: number; of: typeof owner }[] = [];
      for (const { what, at, seed } of steps) {
        const one = live[at % Math.max(1, live.length)];
        if (what === "join") {
          const of = { tenant: "t", version: `v${seed % 2}` };
          const sequence = { table: [] as number[], ids: tokens(12, seed), written: 0, of };
          pool.extend(sequence.table, of, sequence.ids, 11);
          sequence.written = sequence.table.length * 2;
          live.push(sequence);
        } else if (what === "grow" && one && one.written < one.ids.length) {
          if (one.written % 2 === 0) {
            const page = pool.take();
            if (page === null) continue;
            expect(live.filter(({ table }) => table.includes(page))).toEqual([]);
            one.table.push(page);
          }
          one.written += 1;
          if (one.written % 2 > 0) continue;
          const index = one.written / 2 - 1;
          content.set(one.table[index], JSON.stringify([one.of, one.ids.slice(0, one.written)]));
          pool.share(one.table, index, one.of, one.ids);
        } else if (what === "leave" && one) {
          live.splice(live.indexOf(one), 1);
          pool.release(one.table);
        } else if (what === "drop" && !live.some(({ of }) => of.version === `v${seed % 2}`)) {
          pool.drop(`v${seed % 2}`);
        }
        for (const { table, ids, written, of } of live) {
          for (let page = 0; (page + 1) * 2 <= written; page++) {
            expect(content.get(table[page])).toBe(JSON.stringify([of, ids.slice(0, (page + 1) * 2)]));
          }
        }
        const held = new Set(live.flatMap(({ table }) => table));
        expect(pool.available).toBe(6 - held.size);
      }
    }),
  );
});
