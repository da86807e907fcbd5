import { Generator, lowRankRows, randn, scope, type Tensor, tensor, to } from "@lowrank/core";
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { wasm } from "./index.ts";

const [one, two] = [await wasm({ batchInvariant: true }), await wasm({ batchInvariant: true, threads: 2, grain: 1 })];
afterAll(() => two.dispose());

const [inFeatures, outFeatures, vectors] = [29, 18, 3];

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

const draw = (shape: readonly number[], seed: number, backend = one): Tensor =>
  randn(shape, { generator: new Generator(seed), backend });

/** Factors whose numbers every dtype holds, stored as `dtype`. */
function factors({ rank, dtype }: Pair, seed: number, backend = one): Tensor[] {
  return [
    [rank, inFeatures],
    [outFeatures, rank],
  ].map((shape, i) => {
    const drawn = draw(shape, 10 * seed + i, backend);
    return (["bf16", "f32", "f16", "f32", dtype] as const).reduce((t, kind) => to(t, { dtype: kind }), drawn);
  });
}

/** The bits of rows of a batch: row i is drawn by `seeds[i]`, and has pair `of[i]`. */
function bits(pairs: readonly Pair[], of: readonly number[], seeds: readonly number[], backend = one): Uint8Array[] {
  return scope(() => {
    const rows = pairs.map((_, s) => of.flatMap((own, row) => (own === s ? [row] : [])));
    const batch = (n: number, shift: number) => {
      const values = seeds.map((seed) => draw([vectors, n], 1000 * shift + seed).dataSync() as Float32Array);
      return tensor(Float32Array.from(values.flatMap((row) => [...row])), { shape: [of.length, vectors, n], backend });
    };
    const all = pairs.flatMap((own, s) => factors(own, s, backend));
    const scalings = pairs.map(({ scaling }) => scaling);
    const out = lowRankRows(batch(outFeatures, 1), batch(inFeatures, 2), ...all, { rows, scalings });
    const bytes = new Uint8Array((out.dataSync() as Float32Array).buffer);
    const size = 4 * vectors * outFeatures;
    return of.map((_, row) => bytes.slice(row * size, (row + 1) * size));
  });
}

it("gives a row the same bits alone, in any batch, from any dtype of its numbers, by any threads", () => {
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

it.each(["f16", "bf16"] as const)("reads infinities, NaN and the smallest numbers of %s", (dtype) => {
  const special = [Infinity, -Infinity, Number.NaN, 2 ** -24, -(2 ** -24), 0];
  scope(() => {
    const x = tensor([1, 0, 0, 0, 0, 0, 0, 0], { shape: [1, 8], backend: one });
    const a = tensor([1, 0, 0, 0, 0, 0, 0, 0], { shape: [1, 8], backend: one });
    const b = tensor(special, { shape: [6, 1], backend: one });
    const y = tensor(new Float32Array(6), { shape: [1, 6], backend: one });
    const half = [a, b].map((t) => to(t, { dtype }));
    expect([...lowRankRows(y, x, ...half, { rows: [[0]], scalings: [1] }).dataSync()]).toEqual(special);
  });
});
