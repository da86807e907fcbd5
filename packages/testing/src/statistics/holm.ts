/**
 * Returns p-values corrected for several comparisons by Holm's method (1979). If a comparison counts as different when
 * its corrected value is at most alpha, the probability of any false alarm is at most alpha.
 */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]);
  const corrected = new Array<number>(values.length);
  let largest = 0;
  for (const [rank, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (values.length - rank) * values[i]));
    corrected[i] = largest;
  }
  return corrected;
}
