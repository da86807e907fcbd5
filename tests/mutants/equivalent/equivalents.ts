/**
 * Mutants of a package that change no result: the file inside `src`, the text of its line, the old code, the new code,
 * and the reason.
 */
export type Equivalents = readonly (readonly [file: string, line: string, from: string, to: string, why: string])[];
