import { Generator, randn, scope, type Tensor, tensor, to } from "@lowrank/core";
import type { Backend } from "@lowrank/core/backend";
import { lowRankRows } from "@lowrank/core/internal";
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { wasm } from "./index.ts";

const [one, two] = [await wasm({ batchInvariant: true }), await wasm({ batchInvariant: true, threads: 2, grain: 1 })];
afterAll(() => two.dispose());

const [outFeatures, vectors] = [18, 3];

interface Pair {
  rank: number;
  dtype: "f32" | "f16" | "bf16";
  scaling: number;
}

const pair: fc.Arbitrary<Pair> = fc.record({
  rank: fc.constantFrom(1, 2, 3, 8, 17, 64),
  dtype: fc.constantFrom("f32", "f16", "bf16"),
  scaling: fc.constantFrom(0.5, 2, 0.3),
});

/** A batch: its pairs of factors, and the pair of each row; -1 for none. */
const batches = fc.array(pair, { minLength: 1, maxLength: 6 }).chain((pairs) =>
  fc.record({
    pairs: fc.constant(pairs),
    rows: fc.array(fc.integer({ min: -1, max: pairs.length - 1 }), { minLength: 1, maxLength: 24 }),
  }),
);

const draw = (shape: readonly number[], seed: number, backend: Backend = one): Tensor =>
  randn(shape, { generator: new Generator(seed), backend });

/** Factors whose values every dtype can represent, stored as `dtype`. */
function factors({ rank, dtype }: Pair, inFeatures: number, seed: number, backend: Backend = one): Tensor[] {
  return [
    [rank, inFeatures],
    [outFeatures, rank],
  ].map((shape, i) => {
    const drawn = draw(shape, 10 * seed + i, backend);
    return (["bf16", "f32", "f16", "f32", dtype] as const).reduce((t, kind) => to(t, { dtype: kind }), drawn);
  });
}

/** Returns the bits of the rows of a batch: row i is drawn from `seeds[i]`, and uses pair `of[i]`. */
type Bits = (
  pairs: readonly Pair[],
  of: readonly number[],
  seeds: readonly number[],
  backend?: Backend,
) => Uint8Array[];

const bitsOf =
  (inFeatures: number): Bits =>
  (pairs, of, seeds, backend = one) => {
    return scope(() => {
      const rows = pairs.map((_, s) => of.flatMap((own, row) => (own === s ? [row] : [])));
      const batch = (n: number, shift: number) => {
        const values = seeds.map((seed) => draw([vectors, n], 1000 * shift + seed).dataSync() as Float32Array);
        return tensor(Float32Array.from(values.flatMap((row) => [...row])), {
          shape: [of.length, vectors, n],
          backend,
        });
      };
      const all = pairs.flatMap((own, s) => factors(own, inFeatures, s, backend));
      const scalings = pairs.map(({ scaling }) => scaling);
      const out = lowRankRows(batch(outFeatures, 1), batch(inFeatures, 2), ...all, { rows, scalings });
      const bytes = new Uint8Array((out.dataSync() as Float32Array).buffer);
      const size = 4 * vectors * outFeatures;
      return of.map((_, row) => bytes.slice(row * size, (row + 1) * size));
    });
  };

const widths = [29, 32];

it.each(widths)("gives a row of %i the same bits alone, in any batch, from any dtype, by any threads", (inFeatures) => {
  const bits = bitsOf(inFeatures);
  fc.assert(
    fc.property(batches, fc.integer({ min: 0, max: 100 }), ({ pairs, rows }, seed) => {
      const seeds = rows.map((_, i) => seed + i);
      const together = bits(pairs, rows, seeds);
      expect(bits(pairs, rows, seeds, two)).toEqual(together);
      for (const dtype of ["f32", "f16", "bf16"] as const) {
        const stored = pairs.map((own) => ({ ...own, dtype }));
        expect(bits(stored, rows, seeds)).toEqual(together);
      }
      const reversed = bits(pairs, rows.toReversed(), seeds.toReversed());
      expect(reversed.toReversed()).toEqual(together);
      const single = rows.map((own, i) => bits(pairs, [own], [seeds[i]])[0]);
      expect(single).toEqual(together);
    }),
    { numRuns: 40 },
  );
});

it("takes frozen lists of rows for batches of any sizes", () => {
  const rows = Object.freeze([Object.freeze([2, 0]), Object.freeze([1])]);
  const run = (lists: readonly (readonly number[])[], shape: readonly number[]) =>
    scope(() => {
      const [y, x] = [draw([...shape, outFeatures], 1), draw([...shape, 8], 2)];
      const all = [4, 2].flatMap((rank, s) => factors({ rank, dtype: "f16", scaling: 2 }, 8, s));
      return lowRankRows(y, x, ...all, { rows: lists, scalings: [2, 0.5] }).dataSync();
    });
  for (const shape of [[3], [5], [3, 20], [4, 2], [3]]) {
    const own = rows.map((list) => [...list]);
    expect(run(rows, shape)).toEqual(run(own, shape));
  }
});

const halves = ["f16", "bf16"] as const;

it.each(halves.flatMap((dtype) => [1, 4, 6, 8].map((rank) => [dtype, rank] as const)))(
  "reads infinities, NaN and the smallest numbers of %s, at rank %i",
  (dtype, rank) => {
    const small = [2 ** -24, -(2 ** -24), 0, 2 ** -14, 1023 * 2 ** -24, -(2 ** -15)];
    const special = [Infinity, -Infinity, Number.NaN, ...small, 65504];
    const first = (value: number, count: number) => [value, ...new Array<number>(count - 1).fill(0)];
    const half = (values: number[], shape: number[]) => to(tensor(values, { shape, backend: one }), { dtype });
    const rounded = (values: number[]) => [...to(half(values, [values.length]), { dtype: "f32" }).dataSync()];
    scope(() => {
      const x = tensor(first(1, 8), { shape: [1, 8], backend: one });
      const y = tensor(new Float32Array(special.length), { shape: [1, special.length], backend: one });
      const run = (a: Tensor, b: Tensor) => [...lowRankRows(y, x, a, b, { rows: [[0]], scalings: [1] }).dataSync()];
      const a = half(first(1, 8 * rank), [rank, 8]);
      const b = half(
        special.flatMap((value) => first(value, rank)),
        [special.length, rank],
      );
      expect(run(a, b)).toEqual(rounded(special));
      for (const value of special) {
        const out = run(
          half(first(value, 8 * rank), [rank, 8]),
          half(new Array(special.length * rank).fill(1), [special.length, rank]),
        );
        expect(out).toEqual(new Array(special.length).fill(rounded([value])[0]));
      }
    });
  },
);
