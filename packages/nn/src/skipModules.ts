import { nearestName } from "@lowrank/core";

/** Which entries of `skipModules` say a path, by transformers' rule: its start up to a dot (also as an expression), or its end. */
function says(pattern: string, path: string): boolean {
  return path.endsWith(pattern) || new RegExp(String.raw`^(?:${pattern})(?:(?<=\.)|(?=\.|$))`).test(path);
}

/** For each path that `skipModules` says, the entry that does. Throws for entries that no path answers to. */
export function skippedBy(skipModules: readonly string[], paths: readonly string[]): Map<string, string> {
  const skipped = new Map<string, string>();
  for (const pattern of skipModules) {
    const found = paths.filter((path) => says(pattern, path));
    if (found.length === 0) throw new Error(unmatched(pattern, paths));
    for (const path of found) skipped.set(path, pattern);
  }
  return skipped;
}

function unmatched(pattern: string, paths: readonly string[]): string {
  const names = new Set(paths.map((path) => path.slice(path.lastIndexOf(".") + 1)));
  const near = nearestName(pattern, [...names, ...paths]);
  const advice = near === null ? `there are ${[...names].join(", ")}` : `did you mean ${near}?`;
  return `skipModules: no linear layer's path starts or ends with "${pattern}"; ${advice}`;
}
