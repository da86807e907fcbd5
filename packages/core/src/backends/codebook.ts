/**
 * The 16 values that the codes of a 4-bit dtype stand for, and the thresholds by which a value between -1 and 1 gets
 * its code.
 */
export interface Codebook {
  /** The values, indexed by code. */
  readonly values: Float32Array;
  /**
   * The 15 midpoints between neighbouring values, in ascending order. A number equal to a midpoint gets the code of the
   * lower value.
   */
  readonly thresholds: Float32Array;
  /** The codes in ascending order of their values. */
  readonly order: Uint8Array;
}

/** Creates a codebook from the values of the codes 0 to 15, and from the codes in ascending order of their values. */
export function codebook(values: readonly number[], order: readonly number[]): Codebook {
  const table = Float32Array.from(values);
  const thresholds = Float32Array.from({ length: 15 }, (_, i) => {
    return Math.fround(table[order[i]] + table[order[i + 1]]) / 2;
  });
  return { values: table, thresholds, order: Uint8Array.from(order) };
}

/** Returns the code of a value between -1 and 1. */
export function codeOf({ thresholds, order }: Codebook, x: number): number {
  let below = 0;
  while (thresholds[below] < x) below++;
  return order[below];
}
