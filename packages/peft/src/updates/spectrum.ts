/** Singular values of a matrix and measures of its rank. */
export interface Spectrum {
  /** The singular values, largest first. */
  readonly values: Float64Array;
  /** The square root of the sum of the squared values. */
  readonly frobeniusNorm: number;
  /** Number of values above f32's rounding error: 2^-23 `max(rows, columns)` times the largest. */
  readonly rank: number;
  /**
   * exp(H), where H is the Shannon entropy of the values divided by their sum. Roy and Vetterli 2007, "The effective
   * rank: a measure of effective dimensionality". 0 for a matrix of zeros.
   */
  readonly effectiveRank: number;
  /**
   * The squared Frobenius norm divided by the squared largest value. Rudelson and Vershynin 2007, "Sampling from large
   * matrices". 0 for a matrix of zeros.
   */
  readonly stableRank: number;
  /** The cumulative share of the squared Frobenius norm of the first 1, 2, 3 ... values; the last element is 1. */
  readonly energy: Float64Array;
}

/** Computes the ranks and the energy of a matrix [rows, columns] from its singular values. */
export function describeSpectrum(values: Float64Array, [rows, columns]: readonly [number, number]): Spectrum {
  const squares = values.map((value) => value * value);
  const total = squares.reduce((sum, square) => sum + square, 0);
  const [largest] = values;
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

/** Returns the smallest number of singular values that contain a share of the energy; 0 for a matrix of zeros. */
export function rankOfEnergy({ energy, frobeniusNorm }: Spectrum, share: number): number {
  if (frobeniusNorm === 0) return 0;
  const place = energy.findIndex((held) => held >= share);
  return place < 0 ? energy.length : place + 1;
}
