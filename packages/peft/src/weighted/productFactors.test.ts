import { describe, expect, test } from "vitest";
import {
  clamped,
  type HostFactors,
  type Matrix,
  matrixFactors,
  productFactors,
  productValues,
  transposed,
} from "./productFactors.ts";

function drawn(rows: number, columns: number, seed: number): Matrix {
  const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(seed + 1.7 * i * i + i));
  return { values, rows, columns };
}

/** B A, row by row. */
function product({ a, b }: HostFactors): number[] {
  return Array.from({ length: b.rows * a.columns }, (_, at) => {
    const [i, j] = [Math.floor(at / a.columns), at % a.columns];
    let sum = 0;
    for (let k = 0; k < a.rows; k++) sum += b.values[i * b.columns + k] * a.values[k * a.columns + j];
    return sum;
  });
}

const worst = (x: ArrayLike<number>, y: ArrayLike<number>) =>
  Math.max(...Array.from(x, (value, i) => Math.abs(value - y[i])));
const squares = (x: ArrayLike<number>) => Array.from(x).reduce((sum, value) => sum + value * value, 0);

describe.each([
  [5, 4, 2],
  [3, 6, 3],
  [2, 5, 4],
  [6, 2, 3],
])("B [%i, r] and A [r, %i] of rank %i", (outputs, inputs, r) => {
  const factors = { b: drawn(outputs, r, 1), a: drawn(r, inputs, 2) };
  const whole = product(factors);
  const most = Math.min(outputs, inputs, r);

  test("factors of the whole rank have the same product", () => {
    for (const made of [
      productFactors(factors, 9),
      matrixFactors({ values: Float32Array.from(whole), rows: outputs, columns: inputs }, 9),
    ]) {
      expect(worst(product(made), whole)).toBeLessThan(1e-5);
    }
    expect([productFactors(factors, 9).a.rows, productFactors(factors, 9).b.columns]).toEqual([most, most]);
  });

  test("factors of a smaller rank lose the smallest singular values", () => {
    const values = productValues(factors);
    expect(values).toHaveLength(most);
    expect([...values]).toEqual([...values].sort((x, y) => y - x));
    expect(Math.abs(squares(values) - squares(whole))).toBeLessThan(1e-4);
    for (let rank = 1; rank < most; rank++) {
      for (const made of [
        productFactors(factors, rank),
        matrixFactors({ values: Float32Array.from(whole), rows: outputs, columns: inputs }, rank),
      ]) {
        expect([made.b.rows, made.b.columns, made.a.rows, made.a.columns]).toEqual([outputs, rank, rank, inputs]);
        const lost = squares(product(made).map((value, i) => value - whole[i]));
        expect(Math.abs(lost - squares(values.slice(rank)))).toBeLessThan(1e-4);
      }
    }
  });
});

test("transposed exchanges rows and columns", () => {
  const matrix = { values: Float32Array.of(1, 2, 3, 4, 5, 6), rows: 2, columns: 3 };
  expect(transposed(matrix)).toEqual({ values: Float32Array.of(1, 4, 2, 5, 3, 6), rows: 3, columns: 2 });
});

test("clamped cuts at a quantile of both factors, between two values if need be", () => {
  const factors = {
    a: { values: Float32Array.of(-4, 1, 3), rows: 1, columns: 3 },
    b: { values: Float32Array.of(2, 0), rows: 2, columns: 1 },
  };
  const cut = (clamp: number) => {
    const { a, b } = clamped(factors, clamp);
    expect([a.rows, a.columns, b.rows, b.columns]).toEqual([1, 3, 2, 1]);
    return [...a.values, ...b.values];
  };
  // The quantiles of -4, 0, 1, 2 and 3.
  expect(cut(1)).toEqual([-3, 1, 3, 2, 0]);
  expect(cut(0.75)).toEqual([-2, 1, 2, 2, 0]);
  expect(cut(0.875)).toEqual([-2.5, 1, 2.5, 2, 0]);
  expect(cut(0.625)).toEqual([-1.5, 1, 1.5, 1.5, 0]);
  expect(() => cut(0.25)).toThrow("svdClamp is 0.25");
  const zeros = { a: { ...factors.a, values: new Float32Array(3) }, b: { ...factors.b, values: new Float32Array(2) } };
  expect([...clamped(zeros, 0.5).a.values]).toEqual([0, 0, 0]);
});
