/** The 4-bit data types of bitsandbytes. */
export type QuantType = "nf4" | "fp4";

/** What the sixteen codes of a data type mean, and how a number between -1 and 1 finds its code. */
export interface Codebook {
  /** By code. */
  readonly values: Float32Array;
  /** The midpoints between values in ascending order; a tie belongs to the lower of the two. */
  readonly thresholds: Float32Array;
  /** The codes in ascending order of their values. */
  readonly order: Uint8Array;
}

function codebook(values: number[], order: number[]): Codebook {
  const table = Float32Array.from(values);
  const thresholds = Float32Array.from({ length: 15 }, (_, i) => {
    return Math.fround(table[order[i]] + table[order[i + 1]]) / 2;
  });
  return { values: table, thresholds, order: Uint8Array.from(order) };
}

const positiveFp4 = [0, 0.0052083334885537624, 2 / 3, 1, 1 / 3, 0.5, 1 / 6, 0.25];

/**
 * nf4 has quantiles of a normal distribution, fp4 small floats with a sign bit, so two zeros: numbers just above 0 get
 * the negative one, as in bitsandbytes. Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
 */
export const codebooks: Readonly<Record<QuantType, Codebook>> = {
  nf4: codebook(
    [
      ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
      ...[-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0],
      ...[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
      ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
    ],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ),
  fp4: codebook(
    [...positiveFp4, 0, ...positiveFp4.slice(1).map((v) => -v)],
    [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3],
  ),
};
