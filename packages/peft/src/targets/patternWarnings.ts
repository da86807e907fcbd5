import type { Warning } from "../config/warning.ts";
import { expressionOf, patternValue } from "./pattern.ts";

/** Returns true if the key of a pattern option such as `rankPattern` matches a path. */
const says = (key: string, path: string): boolean => expressionOf(key).test(path);

/** Returns the keys of a pattern that match none of the paths. */
export function unusedKeys(pattern: Readonly<Record<string, number>>, paths: readonly string[]): string[] {
  return Object.keys(pattern).filter((key) => !paths.some((path) => says(key, path)));
}

/**
 * Returns a warning if two keys with different values match the same path. The first key wins, but files sort keys
 * alphabetically, so another key would win after saving and loading.
 */
export function orderWarnings(
  name: string,
  pattern: Readonly<Record<string, number>>,
  paths: readonly string[],
): Warning[] {
  const sorted = Object.fromEntries(
    Object.keys(pattern)
      .sort()
      .map((key) => [key, pattern[key]]),
  );
  const path = paths.find((one) => patternValue(pattern, one, 0) !== patternValue(sorted, one, 0));
  if (path === undefined) return [];
  const [first, second] = [pattern, sorted].map((keys) => Object.keys(keys).find((key) => says(key, path)));
  const message = `${name}: "${first}" and "${second}" both say ${path}; the first wins here, but files keep keys in alphabetical order, where "${second}" wins: make one of them exact`;
  return [{ code: "ambiguous-pattern", message }];
}
