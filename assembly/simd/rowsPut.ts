// Stores the result of a product with one row of X.

/** Writes alpha * sum to c, or adds it. */
// @ts-ignore: decorator
@inline
export function put(c: usize, sum: f32, alpha: f32, add: bool): void {
  store<f32>(c, add ? load<f32>(c) + alpha * sum : alpha * sum);
}
