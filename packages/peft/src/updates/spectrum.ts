/** A matrix's singular values, and measures of its rank that follow from them. */
export interface Spectrum {
  /** The singular values, largest first. */
  readonly values: Float64Array;
  /** The square root of the sum of the squared singular values. */
  readonly frobeniusNorm: number;
  /**
   * Number of singular values above f32's rounding error, which is 2^-23 `max(rows, columns)` times the largest value.
   */
  readonly rank: number;
  /**
   * exp(H), where H is the Shannon entropy of the singular values divided by their sum. 0 for a matrix of zeros. Roy
   * and Vetterli 2007, "The effective rank: a measure of effective dimensionality".
   */
  readonly effectiveRank: number;
  /**
   * The squared Frobenius norm divided by the squared largest singular value. 0 for a matrix of zeros. Rudelson and
   * Vershynin 2007, "Sampling from large matrices".
   */
  readonly stableRank: number;
  /**
   * Element i is the fraction of the squared Frobenius norm that the first i + 1 singular values contain. The last is
   * 1.
   */
  readonly energy: Float64Array;
}

/** Computes the measures of rank for a matrix [rows, columns] from its singular values. */
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

/**
 * Returns how many of the largest singular values contain the fraction `share` of the squared Frobenius norm; 0 for a
 * matrix of zeros.
 */
export function rankOfEnergy({ energy, frobeniusNorm }: Spectrum, share: number): number {
  if (frobeniusNorm === 0) return 0;
  const place = energy.findIndex((held) => held >= share);
  return place < 0 ? energy.length : place + 1;
}
