/** Splits a space-separated list of module names. */
export const names = (list: string): readonly string[] => list.split(" ");

export const queryAndValue: readonly string[] = names("q_proj v_proj");
