import type { Warning } from "../config/warning.ts";
import { pythonRegex } from "./pythonRegex.ts";

/**
 * Returns true if a pattern's key matches a path: an expression for the whole path or its end
 * after a dot, as in PEFT.
 */
function says(key: string, path: string): boolean {
  return expressionOf(key).test(path);
}

const expressionOf = (key: string): RegExp => pythonRegex(String.raw`(.*\.)?(${key})$`, "match");

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

/** The keys that say none of the paths. */
export function unusedKeys(pattern: Readonly<Record<string, number>>, paths: readonly string[]): string[] {
  return Object.keys(pattern).filter((key) => !paths.some((path) => says(key, path)));
}

/**
 * Returns a warning if two keys match one path and files, which keep keys in alphabetical order,
 * would pick the other one.
 */
export function orderWarnings(
  name: string,
  pattern: Readonly<Record<string, number>>,
  paths: readonly string[],
): Warning[] {
  const sorted = Object.fromEntries(Object.entries(pattern).sort(([a], [b]) => (a < b ? -1 : 1)));
  const path = paths.find((one) => patternValue(pattern, one, 0) !== patternValue(sorted, one, 0));
  if (path === undefined) return [];
  const [first, second] = [pattern, sorted].map((keys) => Object.keys(keys).find((key) => says(key, path)));
  const message = `${name}: "${first}" and "${second}" both say ${path}; the first wins here, but files keep keys in alphabetical order, where "${second}" wins: make one of them exact`;
  return [{ code: "ambiguous-pattern", message }];
}
