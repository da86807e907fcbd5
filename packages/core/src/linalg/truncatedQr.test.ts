import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { truncatedQr } from "./truncatedQr.ts";

const matrices = fc
  .record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 9 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      rank: fc.integer({ min: 1, max: Math.min(rows, columns) }),
      matrix: fc.array(fc.integer({ min: -8, max: 8 }), { minLength: rows * columns, maxLength: rows * columns }),
    }),
  );

describe("truncatedQr", () => {
  it("gives orthonormal columns whose products with the matrix are R", () => {
    fc.assert(
      fc.property(matrices, ({ rows, columns, rank, matrix }) => {
        const { q, r } = truncatedQr(matrix, rows, columns, rank);
        const column = (k: number) => Array.from({ length: rows }, (_, i) => q[i * rank + k]);
        const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
        for (let k = 0; k < rank; k++) {
          for (let l = 0; l <= k; l++) expect(dot(column(k), column(l))).toBeCloseTo(k === l ? 1 : 0, 10);
          for (let j = 0; j < columns; j++) {
            const of = Array.from({ length: rows }, (_, i) => matrix[i * columns + j]);
            expect(r[k * columns + j]).toBeCloseTo(dot(column(k), of), 9);
            if (j < k) expect(r[k * columns + j]).toBe(0);
          }
        }
      }),
    );
  });

  it("rebuilds the matrix at full rank", () => {
    fc.assert(
      fc.property(matrices, ({ rows, columns, matrix }) => {
        const rank = Math.min(rows, columns);
        const { q, r } = truncatedQr(matrix, rows, columns, rank);
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) {
            let sum = 0;
            for (let k = 0; k < rank; k++) sum += q[i * rank + k] * r[k * columns + j];
            expect(sum).toBeCloseTo(matrix[i * columns + j], 9);
          }
        }
      }),
    );
  });

  it("has the signs of torch.linalg.qr", () => {
    // torch.linalg.qr of [[1,2],[3,4],[5,6]] and of [[-2,1],[0,3]], torch 2.15.
    const { q, r } = truncatedQr([1, 2, 3, 4, 5, 6], 3, 2, 2);
    for (const [i, x] of [-0.16903085, 0.89708523, -0.50709255, 0.27602622, -0.84515425, -0.34503278].entries())
      expect(q[i]).toBeCloseTo(x, 7);
    for (const [i, x] of [-5.91607978, -7.43735744, 0, 0.82807867].entries()) expect(r[i]).toBeCloseTo(x, 7);
    expect([...truncatedQr([-2, 1, 0, 3], 2, 2, 2).r]).toEqual([-2, 1, 0, 3]);
  });

  it("refuses impossible ranks", () => {
    expect(() => truncatedQr([1, 2], 1, 2, 2)).toThrow("rank 2 of a matrix [1,2] must be from 1 to 1");
  });
});
