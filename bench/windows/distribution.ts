/** The distribution of distances: quantiles of their absolute values, and their signed mean. */
export interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Returns the distribution of distances. Quantiles are of absolute values. */
export function distributionOf(distances: readonly number[]): Distribution {
  const sizes = distances.map(Math.abs).sort((a, b) => a - b);
  // The smallest value that at least this share of all values does not exceed.
  const quantile = (share: number) => sizes[Math.max(0, Math.ceil(share * sizes.length) - 1)];
  const mean = distances.reduce((sum, it) => sum + it, 0) / distances.length;
  const round = (value: number) => Number(value.toPrecision(3));
  return {
    count: distances.length,
    mean: round(mean),
    median: round(quantile(0.5)),
    p95: round(quantile(0.95)),
    p99: round(quantile(0.99)),
    max: round(sizes[sizes.length - 1]),
  };
}
