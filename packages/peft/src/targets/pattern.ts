import { pythonRegex } from "./pythonRegex.ts";

/**
 * Compiles a key of a pattern option such as `rankPattern`. The expression matches a whole path, or its end after a
 * dot, as in PEFT.
 */
export const expressionOf = (key: string): RegExp => pythonRegex(String.raw`(.*\.)?(${key})$`, "match");

/**
 * Cache of compiled pattern options such as `rankPattern`: for each option object, its keys as regular expressions,
 * with their values.
 */
const expressions = new WeakMap<object, readonly (readonly [expression: RegExp, value: number])[]>();

/** Returns the pattern's value for the first key that matches the path. If none matches, returns `value`. */
export function patternValue(pattern: Readonly<Record<string, number>>, path: string, value: number): number {
  let known = expressions.get(pattern);
  if (!known) {
    known = Object.entries(pattern).map(([key, own]) => [expressionOf(key), own]);
    expressions.set(pattern, known);
  }
  return known.find(([expression]) => expression.test(path))?.[1] ?? value;
}

/** Splits a space-separated list of module names. */
export const names = (list: string): readonly string[] => list.split(" ");

export const queryAndValue: readonly string[] = names("q_proj v_proj");
