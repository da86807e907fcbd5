/**
 * The numbers that the sixteen codes of a 4-bit type stand for, and the way from a number
 * between -1 and 1 to its code.
 */
export interface Codebook {
  /** By code. */
  readonly values: Float32Array;
  /** The midpoints between values in ascending order; a tie belongs to the lower of the two. */
  readonly thresholds: Float32Array;
  /** The codes in ascending order of their values. */
  readonly order: Uint8Array;
}

/** Makes a codebook of the values by code, and of the codes in ascending order of their values. */
export function codebook(values: readonly number[], order: readonly number[]): Codebook {
  const table = Float32Array.from(values);
  const thresholds = Float32Array.from({ length: 15 }, (_, i) => {
    return Math.fround(table[order[i]] + table[order[i + 1]]) / 2;
  });
  return { values: table, thresholds, order: Uint8Array.from(order) };
}

/** Returns the code of a number between -1 and 1. */
export function codeOf({ thresholds, order }: Codebook, x: number): number {
  let below = 0;
  while (below < thresholds.length && thresholds[below] < x) below++;
  return order[below];
}
