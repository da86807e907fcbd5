/** Places of equal mutants in a file (equal lines, or equal code in one line) that a row is about. */
export interface Places {
  /** The number of equal mutants in the file. */
  readonly of: number;
  /** Those that change no result, counted from 1 in the order of the file. Default: all. */
  readonly listed?: readonly number[];
}

/**
 * Mutants of a package that change no result: the file inside `src`, the text of its line, the old code, the new code,
 * the reason and, if the file has several such mutants, their places.
 */
export type Equivalents = readonly (readonly [
  file: string,
  line: string,
  from: string,
  to: string,
  why: string,
  places?: Places,
])[];
