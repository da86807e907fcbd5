/**
 * Mutants that change no result, with the reason. A mutant is named by its file, the text of its line and the change.
 * Not more than 5 of 100 that were drawn may be in this list.
 */
export const equivalent: readonly { file: string; line: string; from: string; to: string; why: string }[] = [];
