/** Settings of the table of relative positions, which has 2 * `span` rows. */
interface RelativeTable {
  readonly span: number;
  /**
   * Number of buckets for the distances on each side of a token. Each short distance has its own bucket; several longer
   * distances share one. If 0, every distance has its own bucket.
   */
  readonly positionBuckets: number;
  readonly maxRelativePositions: number;
}

const f32 = Math.fround;

/**
 * Returns the bucket of a distance. Each short distance has its own bucket; long distances share buckets of
 * logarithmically increasing width.
 */
function bucketOf(distance: number, { positionBuckets, maxRelativePositions }: RelativeTable): number {
  const mid = Math.floor(positionBuckets / 2);
  const far = Math.abs(distance);
  if (positionBuckets === 0 || far <= mid) return distance;
  const part = f32(f32(Math.log(f32(far / mid))) / f32(Math.log(f32((maxRelativePositions - 1) / mid))));
  return Math.sign(distance) * (Math.ceil(f32(part * (mid - 1))) + mid);
}

/**
 * Returns a [T, T] array for T tokens: for each pair of query and key, the index of its row in the table of relative
 * positions. Computes in f32, as transformers does.
 */
export function relativeRows(T: number, table: RelativeTable): Int32Array {
  const { span } = table;
  return Int32Array.from({ length: T * T }, (_, at) => {
    const row = bucketOf(Math.floor(at / T) - (at % T), table) + span;
    return Math.min(Math.max(row, 0), 2 * span - 1);
  });
}
