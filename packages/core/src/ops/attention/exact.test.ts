import { describe, expect, it, test } from "vitest";
import { attention, full, Generator, init, randn, reference, type Tensor, tensor } from "../../index.ts";
import { primitives } from "../../testing/index.ts";
import { attentionBackward, attentionOp } from "./attention.ts";
import { cacheWrite } from "./cacheWrite.ts";
import { pagedAttention } from "./pagedAttention.ts";
import { pagedWrite } from "./pagedWrite.ts";
import { rope, ropeTables } from "./rope.ts";

const numbers = (t: Tensor) => Array.from(t.dataSync());
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i], 0);

/** Returns the weighted mean of values of one query, by the definition, with a soft cap of the scores. */
function attended(query: number[], keys: number[][], values: number[][], scale: number, cap = Infinity): number[] {
  const bent = keys.map((key) => {
    const s = scale * dot(query, key);
    return cap === Infinity ? s : cap * Math.tanh(s / cap);
  });
  const largest = Math.max(...bent);
  const weights = bent.map((s) => Math.exp(s - largest));
  const total = weights.reduce((a, b) => a + b);
  return values[0].map(
    (_, d) =>
      dot(
        weights,
        values.map((value) => value[d]),
      ) / total,
  );
}

function expectNear(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, v] of expected.entries()) expect(actual[i]).toBeCloseTo(v, 5);
}

describe.each(Object.entries({ reference, primitives }))("on %s", (_name, make) => {
  const backend = make();
  const random = (shape: number[], seed: number) => randn(shape, { generator: new Generator(seed), backend });
  const i32 = (values: number[], shape: number[]) => tensor(values, { shape, dtype: "i32", backend });
  const rowsOf = (t: Tensor, width: number) => {
    const all = numbers(t);
    return Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width));
  };

  it.each([0.5, 1, 3])(
    "attention with a soft cap of %d follows the definition, and so does its gradient",
    (softcap) => {
      const [q, k, v] = [random([1, 1, 1, 4], 1), random([1, 3, 1, 4], 2), random([1, 3, 1, 4], 3)];
      const run = (query: number[]) => attended(query, rowsOf(k, 4), rowsOf(v, 4), 0.7, softcap);
      const [out, lse] = attentionOp(q, k, v, { scale: 0.7, softcap });
      expectNear(numbers(out), run(numbers(q)));
      const dout = full([1, 1, 1, 4], 1, { backend });
      const [dq] = attentionBackward(dout, q, k, v, out, lse, { scale: 0.7, softcap });
      const slopes = numbers(q).map((_, i) => {
        const [up, down] = [1e-3, -1e-3].map((step) => run(numbers(q).map((x, j) => (i === j ? x + step : x))));
        return (dot(up, [1, 1, 1, 1]) - dot(down, [1, 1, 1, 1])) / 2e-3;
      });
      for (const [i, slope] of slopes.entries()) expect(numbers(dq)[i]).toBeCloseTo(slope, 3);
    },
  );

  it("attention without a visible key gives zeros and a log-sum-exp of 0, and with one key its value", () => {
    const [q, k, v] = [random([1, 2, 1, 4], 1), random([1, 3, 1, 4], 2), random([1, 3, 1, 4], 3)];
    const mask = tensor([true, false, false, false, false, false], { shape: [1, 1, 2, 3], dtype: "bool", backend });
    const [out, lse] = attentionOp(q, k, v, mask, {});
    const [queries, keys, values] = [q, k, v].map((t) => rowsOf(t, 4));
    expectNear(numbers(out), [...values[0], 0, 0, 0, 0]);
    expectNear(numbers(lse), [dot(queries[0], keys[0]) / 2, 0]);
    const none = attentionOp(q, k, v, { keyLength: 0 });
    expect(none.map(numbers)).toEqual([new Array(8).fill(0), [0, 0]]);
    expectNear(numbers(attention(q, k, v, { keyLength: 1 })), [...values[0], ...values[0]]);
    for (const keyLength of [0, 1]) {
      const dropped = attention(q, k, v, { keyLength, dropoutP: 1e-9, generator: new Generator(1) });
      expectNear(numbers(dropped), keyLength === 0 ? new Array(8).fill(0) : [...values[0], ...values[0]]);
    }
  });

  it("pagedAttention follows the definition for windows, soft caps and large scores", () => {
    const [pool, values, q] = [random([5, 2, 1, 4], 1), random([5, 2, 1, 4], 2), random([3, 2, 4], 3)];
    const tables = [[4, 0, 3], [1, 2, 0]]; // biome-ignore format: rows
    const places = [[1, 4], [0, 5], [1, 1]]; // biome-ignore format: rows
    const [k, v] = [pool, values].map((t) => rowsOf(t, 4));
    for (const params of [{}, { window: 1 }, { window: 2 }, { window: 9 }, { softcap: 0.5 }, { scale: 300 }]) {
      const {
        window = 99,
        softcap,
        scale = 0.5,
      } = { window: undefined, softcap: undefined, scale: undefined, ...params };
      const out = pagedAttention(q, pool, values, i32(tables.flat(), [2, 3]), i32(places.flat(), [3, 2]), params);
      const expected = places.flatMap(([sequence, position], n) => {
        const seen = Array.from({ length: position + 1 }, (_, j) => 2 * tables[sequence][j >> 1] + (j & 1)).slice(
          -window,
        );
        const at = (rows: number[][]) => seen.map((slot) => rows[slot]);
        return [0, 1].flatMap((h) => attended(rowsOf(q, 4)[2 * n + h], at(k), at(v), scale, softcap));
      });
      expectNear(numbers(out), expected);
    }
  });

  it.each([
    [[3, 0], "row 3 names sequence 3, but there are only 2 page tables"],
    [[0, 4], "row 3 is at position 4, and a table of 2 pages of 2 reaches 0..3; make the table longer"],
    [[1, 2], "row 3 reads page 5, entry 1 of its table, and the pool has pages 0..4"],
  ])("pagedAttention names the row of %j", async (place, message) => {
    const [pool, q] = [random([5, 2, 1, 4], 1), random([4, 2, 4], 3)];
    const rows = i32([0, 0, 0, 1, 0, 2, ...place], [4, 2]);
    const run = async () => await pagedAttention(q, pool, pool, i32([4, 0, 3, 5], [2, 2]), rows, {}).data();
    await expect(run()).rejects.toThrow(`pagedAttention: ${message}`);
  });

  it("pagedWrite takes one slot, slots of single numbers, and a pool of one slot", () => {
    const pool = full([2, 3], 0, { backend });
    pagedWrite(pool, tensor([7, 8], { backend }), i32([4, 1], [2]));
    expect(numbers(pool)).toEqual([0, 8, 0, 0, 7, 0]);
    pagedWrite(pool, tensor([9], { backend }), i32([0], [1]));
    expect(numbers(pool)).toEqual([9, 8, 0, 0, 7, 0]);
    const one = full([1, 1, 2], 0, { backend });
    pagedWrite(one, tensor([[1, 2]], { backend }), i32([0], [1]));
    expect(numbers(one)).toEqual([1, 2]);
    pagedWrite(one, full([0, 2], 0, { backend }), i32([], [0]));
    expect(numbers(one)).toEqual([1, 2]);
  });

  it("cacheWrite takes one sequence with its own position, and caches of two dimensions", () => {
    const cache = full([1, 4], 0, { backend });
    cacheWrite(cache, tensor([[5, 6]], { backend }), { position: [2] });
    expect(numbers(cache)).toEqual([0, 0, 5, 6]);
    cacheWrite(cache, tensor([[7]], { backend }), { position: 0 });
    expect(numbers(cache)).toEqual([7, 0, 5, 6]);
    expect(() => cacheWrite(full([4], 0, { backend }), full([4], 0, { backend }), { position: 0 })).toThrow(
      "cacheWrite: f32 rows [4] do not fit the f32 cache [4]: only dimension 1 may differ",
    );
  });

  it("rope rotates pairs of elements by the angles of a token, and leaves the others", () => {
    const [batch, tokens, heads, size, half] = [2, 3, 2, 6, 2];
    const x = random([batch, tokens, heads, size], 5);
    const table = (f: (angle: number) => number) =>
      tensor(
        [0, 1, 2, 3, 4].flatMap((p) => [f(p), f(p * 0.25)]),
        { shape: [5, half], backend },
      );
    const [cos, sin] = [table(Math.cos), table(Math.sin)];
    const expected = (inverse: boolean) =>
      rowsOf(x, size).flatMap((row, n) => {
        const token = Math.floor(n / heads) % tokens;
        const out = [...row];
        for (const [i, frequency] of [1, 0.25].entries()) {
          const angle = (inverse ? -1 : 1) * (2 + token) * frequency;
          out[i] = row[i] * Math.cos(angle) - row[i + half] * Math.sin(angle);
          out[i + half] = row[i + half] * Math.cos(angle) + row[i] * Math.sin(angle);
        }
        return out;
      });
    expectNear(numbers(rope(x, cos, sin, { offset: 2 })), expected(false));
    expectNear(numbers(rope(x, cos, sin, { offset: 2, inverse: true })), expected(true));
    // Tables with a row for each token. The second sequence is at other positions.
    const own = [cos, sin].map((t) => {
      const rows = numbers(t);
      return tensor([...rows.slice(2 * half), ...rows.slice(0, 3 * half)], { shape: [batch, tokens, half], backend });
    });
    const length = tokens * heads * size;
    const shifted = numbers(rope(x, cos, sin, { offset: 0 })).slice(length);
    expectNear(numbers(rope(x, own[0], own[1], {})), [...expected(false).slice(0, length), ...shifted]);
  });
});

test("ropeTables are cosines and sines of position times frequency, times a scale", async () => {
  await init(reference());
  const angles = [0, 1, 2, 3].flatMap((p) => [1, 0.5, 0.25].map((frequency) => p * frequency));
  for (const scale of [undefined, 3]) {
    const { cos, sin } = ropeTables([1, 0.5, 0.25], 4, scale);
    expect([cos.shape, sin.shape]).toEqual([[4, 3], [4, 3]]); // biome-ignore format: rows
    expectNear(
      numbers(cos),
      angles.map((angle) => (scale ?? 1) * Math.cos(angle)),
    );
    expectNear(
      numbers(sin),
      angles.map((angle) => (scale ?? 1) * Math.sin(angle)),
    );
  }
});

test("operands of other dtypes and shapes are refused", () => {
  const backend = reference();
  const zeros = (dtype: "f32" | "bf16" | "i32", ...shape: number[]) => full(shape, 0, { dtype, backend });
  const pool = zeros("f32", 3, 2, 1, 4);
  const places = zeros("i32", 1, 2);
  const inputs = [zeros("f32", 1, 2, 4), pool, pool, places, places] as const;
  for (const i of [0, 1, 2]) {
    const given = inputs.map((t, j) => (i === j ? zeros("bf16", ...t.shape) : t)) as unknown as typeof inputs;
    expect(() => pagedAttention(...given, {})).toThrow(`pagedAttention: input ${i} [${given[i].shape}] is bf16`);
  }
  const refused = (pool: number[], rows: number[], slots: number[]) =>
    expect(() => pagedWrite(zeros("f32", ...pool), zeros("f32", ...rows), zeros("i32", ...slots))).toThrow(
      `pagedWrite: rows [${rows}] and slots [${slots}] do not fit the pool [${pool}]`,
    );
  refused([3], [2], [2]);
  refused([3, 4], [2, 1], [2, 1]);
  refused([3, 4], [3], [2]);
  refused([3, 4, 5], [2, 4], [2]);
});
