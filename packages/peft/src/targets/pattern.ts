import { pythonRegex } from "./pythonRegex.ts";

/**
 * The expression of a pattern's key, for a whole path or its end after a dot, as in PEFT.
 */
export const expressionOf = (key: string): RegExp => pythonRegex(String.raw`(.*\.)?(${key})$`, "match");

/** The keys of patterns as expressions, which are read once for all layers. */
const expressions = new WeakMap<object, readonly (readonly [expression: RegExp, value: number])[]>();

/** The value of the first key that says the path; otherwise `value`. */
export function patternValue(pattern: Readonly<Record<string, number>>, path: string, value: number): number {
  let known = expressions.get(pattern);
  if (!known) {
    known = Object.entries(pattern).map(([key, own]) => [expressionOf(key), own]);
    expressions.set(pattern, known);
  }
  return known.find(([expression]) => expression.test(path))?.[1] ?? value;
}
