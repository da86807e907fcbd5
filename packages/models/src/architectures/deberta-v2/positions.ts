/** The table of relative positions, of twice `span` rows. */
interface RelativeTable {
  readonly span: number;
  /** Buckets on either side, wider the farther away; 0 for a bucket for each position. */
  readonly positionBuckets: number;
  readonly maxRelativePositions: number;
}

const f32 = Math.fround;

/** The bucket of a distance: near ones have their own, far ones share one by their logarithm. */
function bucketOf(distance: number, { positionBuckets, maxRelativePositions }: RelativeTable): number {
  const mid = Math.floor(positionBuckets / 2);
  const far = Math.abs(distance) < mid ? mid - 1 : Math.abs(distance);
  if (positionBuckets === 0 || far <= mid) return distance;
  const part = f32(f32(Math.log(f32(far / mid))) / f32(Math.log(f32((maxRelativePositions - 1) / mid))));
  return Math.sign(distance) * (Math.ceil(f32(part * (mid - 1))) + mid);
}

/** The row of the table for each query and key of T tokens, [T, T], as transformers counts them. */
export function relativeRows(T: number, table: RelativeTable): Int32Array {
  const { span } = table;
  return Int32Array.from({ length: T * T }, (_, at) => {
    const row = bucketOf(Math.floor(at / T) - (at % T), table) + span;
    return Math.min(Math.max(row, 0), 2 * span - 1);
  });
}
