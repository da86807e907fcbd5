/** The median of some values, and its 95 % confidence interval. */
export interface Interval {
  ratio: number;
  low: number;
  high: number;
}

/** The minimum number of values for such an interval. */
export const leastValues = 6;

/**
 * Returns the median and its 95 % confidence interval between two of the sorted values (sign test). It assumes nothing
 * about the distribution. For ten values, the interval is from the second to the ninth. Throws for fewer than six.
 */
export function medianInterval(values: readonly number[]): Interval {
  const count = values.length;
  if (count < leastValues) throw new Error(`an interval needs ${leastValues} values or more; there are ${count}`);
  const sorted = values.toSorted((x, y) => x - y);
  const middle = (sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2;
  // The probability that at most `cut` of the values are below the true median.
  let cut = -1;
  let ways = 1;
  let tail = 0;
  for (let below = 0; below < count; below++) {
    tail += ways / 2 ** count;
    if (2 * tail > 0.05) break;
    cut = below;
    ways = (ways * (count - below)) / (below + 1);
  }
  return { ratio: middle, low: sorted[cut]!, high: sorted[count - 1 - cut]! };
}
