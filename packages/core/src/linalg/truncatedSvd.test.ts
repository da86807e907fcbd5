import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Svd, singularValues, smallerGram, truncatedSvd } from "./truncatedSvd.ts";

const matrices = fc
  .record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 9 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      rank: fc.integer({ min: 1, max: Math.min(rows, columns) }),
      values: fc.array(fc.integer({ min: -8, max: 8 }), { minLength: rows * columns, maxLength: rows * columns }),
    }),
  );

/** Returns the sum of squares of a matrix minus the product of its first values and vectors. */
function rest({ values, left, right }: Svd, matrix: readonly number[], rows: number, columns: number): number {
  let total = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let x = matrix[i * columns + j];
      for (const [k, value] of values.entries()) x -= value * left[k * rows + i] * right[k * columns + j];
      total += x * x;
    }
  }
  return total;
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);

describe("truncatedSvd", () => {
  it("leaves exactly the smaller singular values (Eckart and Young), with orthonormal vectors", () => {
    fc.assert(
      fc.property(matrices, ({ rows, columns, rank, values: matrix }) => {
        const all = truncatedSvd(matrix, rows, columns, Math.min(rows, columns));
        const some = truncatedSvd(matrix, rows, columns, rank);
        expect([...some.values]).toEqual([...all.values.slice(0, rank)]);
        expect([...singularValues(matrix, rows, columns)]).toEqual([...all.values]);
        const squares = Array.from(all.values, (x) => x * x);
        const total = matrix.reduce((sum, x) => sum + x * x, 0);
        expect(squares.reduce((sum, x) => sum + x, 0)).toBeCloseTo(total, 9);
        expect(rest(some, matrix, rows, columns)).toBeCloseTo(
          squares.slice(rank).reduce((sum, x) => sum + x, 0),
          9,
        );
        for (const [vectors, length] of [[some.left, rows] as const, [some.right, columns] as const]) {
          const row = (i: number) => vectors.subarray(i * length, (i + 1) * length);
          for (let i = 0; i < rank; i++) {
            for (let j = 0; j <= i; j++) {
              const vanishing = some.values[i] <= 1e-8 * some.values[0];
              if (vanishing) continue;
              expect(dot(row(i), row(j))).toBeCloseTo(i === j ? 1 : 0, 6);
            }
          }
        }
      }),
    );
  });

  it("gives the known values of a small matrix, largest entry on the right positive", () => {
    const { values, left, right } = truncatedSvd([-3, 0, 0, 0, 0, 2], 2, 3, 2);
    expect([...values]).toEqual([3, 2]);
    for (const [i, x] of [-1, 0, 0, 1].entries()) expect(left[i]).toBeCloseTo(x, 14);
    for (const [i, x] of [1, 0, 0, 0, 0, 1].entries()) expect(right[i]).toBeCloseTo(x, 14);
  });

  it("keeps vectors of equal singular values apart", () => {
    const n = 30;
    const matrix = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 + (i % 2) : 0));
    const { values, left, right } = truncatedSvd(matrix, n, n, n);
    expect([...values].map((x) => Math.round(x))).toEqual([...new Array(n / 2).fill(2), ...new Array(n / 2).fill(1)]);
    for (const vectors of [left, right]) {
      const row = (i: number) => vectors.subarray(i * n, (i + 1) * n);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j <= i; j++) expect(dot(row(i), row(j))).toBeCloseTo(i === j ? 1 : 0, 12);
      }
    }
  });

  it("says zero for what a matrix of lower rank does not have", () => {
    const { values, left, right } = truncatedSvd([1, 2, 2, 4, 3, 6], 3, 2, 2);
    expect(values[0]).toBeCloseTo(Math.sqrt(70), 12);
    expect(values[1]).toBeLessThan(1e-6);
    expect([...left.subarray(3)].map(Math.abs)).toEqual([0, 0, 0]);
    expect(dot(right.subarray(2), right.subarray(2))).toBeCloseTo(1, 12);
  });

  it("refuses impossible ranks and numbers that are not finite", () => {
    expect(() => truncatedSvd([1, 2], 1, 2, 2)).toThrow("rank 2 of a matrix [1,2] must be from 1 to 1");
    expect(() => truncatedSvd([1, Number.NaN, 2, 3], 2, 2, 1)).toThrow(/does the matrix hold a NaN/);
  });
});

it.each([
  [1, 1],
  [3, 4],
  [5, 9],
  [8, 8],
  [9, 6],
])("the smaller Gram matrix of [%i, %i] holds the products of rows or of columns", (rows, columns) => {
  const at = (i: number, j: number) => ((i * 7 + j * 5) % 11) - 4;
  const a = Float64Array.from({ length: rows * columns }, (_, k) => at(Math.floor(k / columns), k % columns));
  const n = Math.min(rows, columns);
  const entry = (i: number, p: number) => (rows < columns ? at(i, p) : at(p, i));
  const expected = Array.from({ length: n * n }, (_, k) => {
    let sum = 0;
    for (let p = 0; p < Math.max(rows, columns); p++) sum += entry(Math.floor(k / n), p) * entry(k % n, p);
    return sum;
  });
  expect([...smallerGram(a, rows, columns)]).toEqual(expected);
});
