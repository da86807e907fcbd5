import { init, matmul, reference, tensor, truncatedSvd } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { subspaceFactors } from "./factors.ts";
import { subspaceSvd } from "./subspaceSvd.ts";

beforeAll(() => init(reference()));

const matrixOf = (rows: number[][]) => tensor(rows.flat(), { shape: [rows.length, rows[0].length] });

function expectNear(actual: ArrayLike<number>, expected: readonly number[]) {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 5);
}

test.each([
  { turns: 0, value: 3, right: [1, 0] },
  { turns: 1, value: 5, right: [0.6, 0.8] },
])("a guess is improved by each of $turns iterations", async ({ turns, value, right }) => {
  const found = await subspaceSvd(matrixOf([[3, 4]]), 1, turns, matrixOf([[2, 0]]));
  expectNear(found.values, [value]);
  expectNear(found.right, right);
});

test.each([
  { row: [3, 4], right: [0.6, 0.8] },
  { row: [-3, -4], right: [0.6, 0.8] },
  { row: [3, -4], right: [-0.6, 0.8] },
  { row: [-4, 3], right: [0.8, -0.6] },
  { row: [2, -2], right: [Math.SQRT1_2, -Math.SQRT1_2] },
  { row: [-2, 2], right: [Math.SQRT1_2, -Math.SQRT1_2] },
])("the first largest entry of the singular vector of $row is positive", async ({ row, right }) => {
  const { values, right: found } = await subspaceSvd(matrixOf([row]), 1, 1);
  expectNear(values, [Math.hypot(...row)]);
  expectNear(found, right);
});

test.each([
  { rows: 5, columns: 7, count: 2, expected: 2 },
  { rows: 7, columns: 3, count: 9, expected: 3 },
  { rows: 14, columns: 12, count: 2, expected: 2 },
])("$count singular vectors of a [$rows, $columns] matrix are those of the exact method", async (size) => {
  const { rows, columns, count, expected } = size;
  const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * i + 0.3 * i));
  const exact = truncatedSvd(values, rows, columns, expected);
  const matrix = tensor(values, { shape: [rows, columns] });
  // The first direction is known. The iteration finds the others.
  const guess = tensor(Float32Array.from(exact.right.subarray(0, columns)), { shape: [1, columns] });
  for (const known of [null, guess]) {
    const found = await subspaceSvd(matrix, count, 30, known);
    expectNear(found.values, [...exact.values]);
    expect(found.right).toHaveLength(expected * columns);
    for (let k = 0; k < expected; k++) {
      const [own, other] = [found.right, exact.right].map((all) => [...all.subarray(k * columns, (k + 1) * columns)]);
      const product = own.reduce((sum, x, i) => sum + x * other[i], 0);
      expect(Math.abs(product)).toBeCloseTo(1, 4);
    }
  }
});

test("factors of a small matrix of rank 1, and of zeros, are those of its singular values", async () => {
  const rows = [
    [0.3, 0.4],
    [0.06, 0.08],
  ];
  const { a, b } = await subspaceFactors(matrixOf(rows), 2, 2, 4);
  const product = matmul(b, a).dataSync() as Float32Array;
  // The product is the matrix divided by the divisor.
  expectNear(
    product,
    rows.flat().map((x) => x / 2),
  );
  const none = await subspaceFactors(matrixOf([[0, 0, 0]]), 1, 2, 1);
  expect([...none.a.dataSync(), ...none.b.dataSync()]).toEqual([0, 0, 0, 0]);
});
