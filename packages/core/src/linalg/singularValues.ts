import { smallerGram } from "./smallerGram.ts";
import { symmetricEigenvalues } from "./symmetricEigen.ts";

/**
 * Returns all singular values of a row-major matrix [rows, columns], in descending order. They are computed as in
 * `truncatedSvd`, but without vectors. Values below 1e-8 of the largest one are rounding noise.
 */
export function singularValues(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const square = smallerGram(Float64Array.from(matrix), rows, columns);
  return symmetricEigenvalues(square, Math.min(rows, columns)).map((value) => Math.sqrt(Math.max(value, 0)));
}
