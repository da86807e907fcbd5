import { pythonRegex } from "./pythonRegex.ts";

/** Returns the regular expression of a pattern's key. It matches a whole path or a suffix after a dot, as in PEFT. */
export const expressionOf = (key: string): RegExp => pythonRegex(String.raw`(.*\.)?(${key})$`, "match");

/** Cache of the patterns' compiled expressions. */
const expressions = new WeakMap<object, readonly (readonly [expression: RegExp, value: number])[]>();

/** Returns the value of the first key that matches the path, otherwise `value`. */
export function patternValue(pattern: Readonly<Record<string, number>>, path: string, value: number): number {
  let known = expressions.get(pattern);
  if (!known) {
    known = Object.entries(pattern).map(([key, own]) => [expressionOf(key), own]);
    expressions.set(pattern, known);
  }
  return known.find(([expression]) => expression.test(path))?.[1] ?? value;
}
