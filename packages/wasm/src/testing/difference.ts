/**
 * Returns the relative error of a compared with b: the root mean square of a - b, divided by the root mean square of b.
 */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    error += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(error / size);
}
