import { pythonRegex } from "../targets/pythonRegex.ts";

/** Whether a pattern's key says a path: an expression for the whole path or its end after a dot, as in PEFT. */
function says(key: string, path: string): boolean {
  return pythonRegex(String.raw`(.*\.)?(${key})$`, "match").test(path);
}

/** The value of the first key that says the path; otherwise `value`. */
export function patternValue(pattern: Readonly<Record<string, number>>, path: string, value: number): number {
  const key = Object.keys(pattern).find((candidate) => says(candidate, path));
  return key === undefined ? value : pattern[key];
}

/** The keys that say none of the paths. */
export function unusedKeys(pattern: Readonly<Record<string, number>>, paths: readonly string[]): string[] {
  return Object.keys(pattern).filter((key) => !paths.some((path) => says(key, path)));
}
