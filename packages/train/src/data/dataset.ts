/**
 * Examples that are read on demand, by index from 0. Functions that accept a `Dataset` also accept an array of
 * examples.
 */
export interface Dataset<Example> {
  readonly length: number;
  /** The size of each example, in tokens or bytes, for batches of similar lengths. */
  readonly lengths: Uint32Array;
  /** Identifies the examples, so that a resumed training uses the same ones. */
  readonly digest: string;
  /** Returns the examples with these indices, in this order. */
  read(numbers: ArrayLike<number>): Promise<Example[]>;
}

/** Examples in an array, or read on demand. */
export type Examples<Example> = readonly Example[] | Dataset<Example>;

/** Returns true for examples in an array. */
export function areListed<Example>(examples: Examples<Example>): examples is readonly Example[] {
  return Array.isArray(examples);
}

/** Returns the examples with these indices, in this order. */
export async function readExamples<Example>(
  examples: Examples<Example>,
  numbers: ArrayLike<number>,
): Promise<Example[]> {
  return areListed(examples) ? Array.from(numbers, (i) => examples[i]) : examples.read(numbers);
}
