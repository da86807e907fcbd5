import { describe, expect, it } from "vitest";
import { attention, cat, Generator, randn, reference, slice, type Tensor, tensor } from "../../index.ts";
import { deferred, primitives } from "../../testing/index.ts";
import { pagedAttention } from "./pagedAttention.ts";
import { pagedWrite } from "./pagedWrite.ts";

const backends = { reference, primitives, deferred };
const i32 = (values: number[], shape: number[], t: Tensor) =>
  tensor(values, { shape, dtype: "i32", backend: t.storage.backend });

describe.each(Object.entries(backends))("on %s", (_name, make) => {
  const backend = make();
  const random = (shape: number[], seed: number) => randn(shape, { generator: new Generator(seed), backend });

  it("pagedAttention is attention over the pages of a table", async () => {
    const [pool, values, q] = [random([6, 4, 2, 8], 1), random([6, 4, 2, 8], 2), random([1, 4, 8], 3)];
    const paged = pagedAttention(q, pool, values, i32([5, 2, 0], [1, 3], q), i32([0, 9], [1, 2], q), { window: 7 });
    const gathered = (t: Tensor) =>
      cat(
        [5, 2, 0].map((page) => slice(t, { start: page, end: page + 1 })),
        { dim: 1 },
      );
    const keys = [pool, values].map((t) => slice(gathered(t), { dim: 1, end: 10 }));
    const plain = attention(q.reshape(1, 1, 4, 8), keys[0], keys[1], { causal: true, window: 7 });
    const [actual, expected] = [await paged.data(), await plain.data()];
    expect(Math.max(...actual.map((a, i) => Math.abs(a - expected[i])))).toBeLessThan(1e-6);
  });

  it("pagedAttention does not see what stands beyond a row's positions, even NaN", async () => {
    const pool = random([2, 4, 1, 4], 1);
    const broken = tensor(new Float32Array(4).fill(Number.NaN), { shape: [1, 1, 4], backend });
    for (const slot of [0, 3, 7]) pagedWrite(pool, broken, i32([slot], [1], pool));
    const q = random([1, 2, 4], 2);
    const out = pagedAttention(q, pool, pool, i32([0, 1], [1, 2], q), i32([0, 2], [1, 2], q), { window: 2 });
    expect([...(await out.data())].every(Number.isFinite)).toBe(true);
  });

  it.each([
    [[2, 1], [0, 1], "row 0 names sequence 2, but there are only 1 page tables"],
    [[-1, 1], [0, 1], "row 0 names sequence -1"],
    [[0, 8], [0, 1], "row 0 is at position 8, and a table of 2 pages of 4 reaches 0..7"],
    [[0, -1], [0, 1], "row 0 is at position -1"],
    [[0, 4], [0, 3], "row 0 reads page 3, entry 1 of its table, and the pool has pages 0..2"],
    [[0, 4], [-1, 1], "row 0 reads page -1, entry 0 of its table"],
  ])("pagedAttention refuses %j with the table %j", async (row, table, message) => {
    const run = async () => {
      const [pool, q] = [random([3, 4, 1, 4], 1), random([1, 2, 4], 2)];
      return await pagedAttention(q, pool, pool, i32(table, [1, 2], q), i32(row, [1, 2], q), {}).data();
    };
    await expect(run()).rejects.toThrow(`pagedAttention: ${message}`);
  });

  it("pagedWrite refuses a slot beyond the pool", async () => {
    const run = async () => {
      const pool = random([3, 4, 5], 1);
      pagedWrite(pool, random([2, 5], 2), i32([3, 12], [2], pool));
      return await pool.data();
    };
    await expect(run()).rejects.toThrow("pagedWrite: row 1 goes to slot 12, and 3 pages of 4 have slots 0..11");
  });
});

it("refuses shapes that do not fit, and has no gradient", () => {
  const backend = reference();
  const [pool, q] = [randn([3, 4, 2, 4], { backend }), randn([1, 4, 4], { backend })];
  const [tables, rows] = [i32([0, 1], [1, 2], q), i32([0, 1], [1, 2], q)];
  const run = (...t: Tensor[]) => pagedAttention(t[0], t[1], t[2], t[3], t[4], {});
  expect(() => run(q.reshape(1, 1, 4, 4), pool, pool, tables, rows)).toThrow("pagedAttention: q [1,1,4,4]");
  expect(() => run(q.reshape(1, 2, 8), pool, pool, tables, rows)).toThrow("must be [N,H,D], [P,S,Hkv,D]");
  expect(() => run(randn([1, 3, 4], { backend }), pool, pool, tables, rows)).toThrow("3 query heads");
  expect(() => run(q, pool, pool, tables, tables.reshape(2, 1))).toThrow("tables [1,2] and rows [2,1]");
  expect(() => run(q, pool, pool, rows.to("f32"), rows)).toThrow("expected i32");
  expect(() => pagedWrite(pool, q, rows.reshape(2))).toThrow("do not fit the pool [3,4,2,4]");
  q.requiresGrad = true;
  expect(() => run(q, pool, pool, tables, rows).sum().backward()).toThrow("pagedAttention: this op has no gradient");
});
