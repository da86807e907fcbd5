/**
 * Examples that are read when they are wanted, by their numbers from 0. A list in memory needs none
 * of this: wherever a `Dataset` can stand, an array can.
 */
export interface Dataset<Example> {
  readonly length: number;
  /** The size of each example, in tokens or in bytes, by which batches of equal ones are made. */
  readonly lengths: Uint32Array;
  /** Tells these examples from others, so that a training resumes on the same. */
  readonly digest: string;
  /** Returns examples by their numbers, in the order of these. */
  read(numbers: ArrayLike<number>): Promise<Example[]>;
}

/** Examples in memory, or where they are read from. */
export type Examples<Example> = readonly Example[] | Dataset<Example>;

/** True for examples in memory. */
export function areListed<Example>(examples: Examples<Example>): examples is readonly Example[] {
  return Array.isArray(examples);
}

/** Returns examples by their numbers, in the order of these. */
export async function readExamples<Example>(
  examples: Examples<Example>,
  numbers: ArrayLike<number>,
): Promise<Example[]> {
  return areListed(examples) ? Array.from(numbers, (i) => examples[i]) : examples.read(numbers);
}
