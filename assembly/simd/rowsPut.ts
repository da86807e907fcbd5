// Stores the result of a product with one row of X.

/** Stores alpha * sum at c or, if `add`, adds it to the float at c. */
// @ts-ignore: decorator
@inline
export function put(c: usize, sum: f32, alpha: f32, add: bool): void {
  store<f32>(c, add ? load<f32>(c) + alpha * sum : alpha * sum);
}
