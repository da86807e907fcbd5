/** Singular values and what they say of a matrix's rank. */
export interface Spectrum {
  /** Largest first. */
  readonly values: Float64Array;
  /** The root of the sum of the squares of the values. */
  readonly frobeniusNorm: number;
  /** Number of values above the rounding of f32: 2^-23 `max(rows, columns)` of the largest. */
  readonly rank: number;
  /**
   * exp(H), with H the Shannon entropy of the values as shares of their sum. Roy and Vetterli 2007,
   * "The effective rank: a measure of effective dimensionality". 0 for a matrix of zeros.
   */
  readonly effectiveRank: number;
  /**
   * The squared Frobenius norm over the squared largest value. Rudelson and Vershynin 2007,
   * "Sampling from large matrices". 0 for a matrix of zeros.
   */
  readonly stableRank: number;
  /** The share of the squared Frobenius norm that the first 1, 2, 3 ... values hold; ends in 1. */
  readonly energy: Float64Array;
}

/** Tells the ranks and the energy of a matrix [rows, columns] by its singular values. */
export function describeSpectrum(values: Float64Array, [rows, columns]: readonly [number, number]): Spectrum {
  const squares = values.map((value) => value * value);
  const total = squares.reduce((sum, square) => sum + square, 0);
  const [largest = 0] = values;
  const noise = Math.max(rows, columns) * 2 ** -23 * largest;
  let held = 0;
  const energy = squares.map((square) => {
    held += square;
    return total > 0 ? held / total : 0;
  });
  return {
    values,
    frobeniusNorm: Math.sqrt(total),
    rank: values.filter((value) => value > noise).length,
    effectiveRank: effectiveRank(values),
    stableRank: total > 0 ? total / (largest * largest) : 0,
    energy,
  };
}

function effectiveRank(values: Float64Array): number {
  const sum = values.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  let entropy = 0;
  for (const value of values) if (value > 0) entropy -= (value / sum) * Math.log(value / sum);
  return Math.exp(entropy);
}

/** The least number of singular values that hold a share of the energy; 0 for a matrix of zeros. */
export function rankOfEnergy({ energy, frobeniusNorm }: Spectrum, share: number): number {
  if (frobeniusNorm === 0) return 0;
  const place = energy.findIndex((held) => held >= share);
  return place < 0 ? energy.length : place + 1;
}
