import fc from "fast-check";
import { expect, it } from "vitest";
import { symmetricEigen, symmetricEigenvalues } from "./symmetricEigen.ts";

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

/** Returns the largest errors of orthonormality and of A v = λ v, relative to the largest eigenvalue. */
function errorsOf(matrix: Float64Array, n: number): { unit: number; stretched: number } {
  const { values, vectors } = symmetricEigen(matrix.slice(), n);
  const most = Math.max(...values.map(Math.abs));
  let [unit, stretched] = [0, 0];
  for (let k = 0; k < n; k++) {
    const x = vectors.subarray(k * n, (k + 1) * n);
    for (let i = 0; i < n; i++) {
      const y = x.reduce((sum, v, j) => sum + matrix[i * n + j] * v, 0);
      stretched = Math.max(stretched, Math.abs(y - values[k] * x[i]) / most);
      const along = x.reduce((sum, v, j) => sum + v * vectors[i * n + j], 0);
      unit = Math.max(unit, Math.abs(along - (i === k ? 1 : 0)));
    }
  }
  return { unit, stretched };
}

it("vectors of eigenvalues that differ by 1e-12 are orthogonal, at any scale", () => {
  const n = 6;
  // I - 2 v vᵀ turns a diagonal matrix into a dense one with the same eigenvalues.
  const v = [1, 2, 3, 4, 5, 6].map((x) => x / Math.sqrt(91));
  const mirror = (i: number, j: number) => (i === j ? 1 : 0) - 2 * v[i] * v[j];
  for (const scale of [1, 1e-6, 1e6]) {
    const values = [1, 1 + 1e-12, 1 + 2e-12, 2, 2 + 1e-12, 3].map((x) => x * scale);
    const matrix = Float64Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      return values.reduce((sum, value, k) => sum + value * mirror(i, k) * mirror(j, k), 0);
    });
    const { unit, stretched } = errorsOf(matrix, n);
    expect(unit).toBeLessThan(1e-13);
    expect(stretched).toBeLessThan(1e-14);
  }
});

it("entries that are nearly zero beside others lose no precision", () => {
  const { unit, stretched } = errorsOf(Float64Array.of(1, 0.5, 1e-9, 0.5, 2, 0.3, 1e-9, 0.3, 3), 3);
  expect(unit).toBeLessThan(1e-14);
  expect(stretched).toBeLessThan(1e-15);
});

it("a zero matrix has zero eigenvalues", () => {
  expect([...symmetricEigenvalues(new Float64Array(9), 3)]).toEqual([0, 0, 0]);
  const { values, vectors } = symmetricEigen(new Float64Array(9), 3);
  expect([...values]).toEqual([0, 0, 0]);
  expect(vectors.every(Number.isFinite)).toBe(true);
});
