/**
 * Examples that are read on demand, by index from 0. Functions that accept a `Dataset` also accept an array of
 * examples.
 */
export interface Dataset<Example> {
  readonly length: number;
  /** The length of each example. The unit is tokens or bytes. Used to form batches of similar lengths. */
  readonly lengths: Uint32Array;
  /** A text that identifies the contents of the examples. A resumed training compares it to detect changed data. */
  readonly digest: string;
  /** Reads the examples with these indices, in this order. */
  read(numbers: ArrayLike<number>): Promise<Example[]>;
}

/** Training examples: an array, or a `Dataset` that reads them on demand. */
export type Examples<Example> = readonly Example[] | Dataset<Example>;

/** Returns true if the examples are an array, not a `Dataset`. */
export function areListed<Example>(examples: Examples<Example>): examples is readonly Example[] {
  return Array.isArray(examples);
}

/** Returns the examples with these indices, in this order, from an array or a `Dataset`. */
export async function readExamples<Example>(
  examples: Examples<Example>,
  numbers: ArrayLike<number>,
): Promise<Example[]> {
  return areListed(examples) ? Array.from(numbers, (i) => examples[i]) : examples.read(numbers);
}
