/** Splits a list of modules' names. */
export const names = (list: string): readonly string[] => list.split(" ");

export const queryAndValue: readonly string[] = names("q_proj v_proj");
