/** The middle of some values, and an interval that holds the true middle in 95 of 100 cases. */
export interface Interval {
  ratio: number;
  low: number;
  high: number;
}

/** Fewer values have no such interval. */
export const leastValues = 6;

/**
 * Returns the median and its interval between two of the values, by their order: no more
 * is supposed of their distribution. Of ten values they are the second and the ninth.
 * Throws on fewer than six.
 */
export function medianInterval(values: readonly number[]): Interval {
  const count = values.length;
  if (count < leastValues) throw new Error(`an interval needs ${leastValues} values or more; there are ${count}`);
  const sorted = values.toSorted((x, y) => x - y);
  const middle = (sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2;
  // The chance that at most `cut` of the values lie below the true median.
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
