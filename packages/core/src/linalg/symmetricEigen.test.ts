import fc from "fast-check";
import { expect, it } from "vitest";
import { symmetricEigen } from "./symmetricEigen.ts";

/** Symmetric matrices of small integers, so that eigenvalues often coincide, at several scales. */
const matrices = fc.integer({ min: 1, max: 12 }).chain((n) =>
  fc.record({
    n: fc.constant(n),
    count: fc.integer({ min: 1, max: n }),
    scale: fc.constantFrom(1, 1e-30, 1e30),
    half: fc.array(fc.integer({ min: -2, max: 2 }), { minLength: n * n, maxLength: n * n }),
  }),
);

it("vectors are orthonormal and are only stretched, by the largest eigenvalues in order", () => {
  fc.assert(
    fc.property(matrices, ({ n, count, scale, half }) => {
      const at = (i: number, j: number) => scale * half[Math.max(i, j) * n + Math.min(i, j)];
      const matrix = Float64Array.from({ length: n * n }, (_, k) => at(Math.floor(k / n), k % n));
      const norm = Math.max(scale, ...matrix.map(Math.abs)) * n;
      const { values, vectors } = symmetricEigen(matrix.slice(), n, count);
      expect([...values].sort((a, b) => b - a)).toEqual([...values]);
      const all = symmetricEigen(matrix.slice(), n).values;
      expect([...values]).toEqual([...all.slice(0, count)]);
      const trace = matrix.reduce((sum, x, k) => sum + (k % (n + 1) === 0 ? x : 0), 0);
      expect(Math.abs(all.reduce((sum, x) => sum + x, 0) - trace)).toBeLessThan(1e-13 * n * norm);
      for (let k = 0; k < count; k++) {
        const x = vectors.subarray(k * n, (k + 1) * n);
        for (let i = 0; i < n; i++) {
          const stretched = x.reduce((sum, v, j) => sum + at(i, j) * v, 0);
          expect(Math.abs(stretched - values[k] * x[i])).toBeLessThan(1e-13 * norm);
        }
        for (let l = 0; l <= k; l++) {
          const along = x.reduce((sum, v, j) => sum + v * vectors[l * n + j], 0);
          expect(Math.abs(along - (l === k ? 1 : 0))).toBeLessThan(1e-11);
        }
      }
    }),
    { numRuns: 300 },
  );
});
