import { nearestName } from "@lowrank/core/internal";

/**
 * Returns a function that returns true for the paths that an entry of `skipModules` matches, by transformers' rule. A
 * path matches if it ends with the entry. It also matches if the entry, read as a regular expression, matches the whole
 * path or the path up to a dot.
 */
function rule(pattern: string): (path: string) => boolean {
  if (pattern === "") throw new Error('skipModules: "" is the end of every path; leave it out, or name modules');
  const start = expression(pattern);
  return (path) => path.endsWith(pattern) || start.test(path);
}

function expression(pattern: string): RegExp {
  try {
    return new RegExp(String.raw`^(?:${pattern})(?:(?<=\.)|(?=\.|$))`);
  } catch (cause) {
    throw new Error(`skipModules: "${pattern}" is no regular expression, nor the name of a module`, { cause });
  }
}

/**
 * Returns each path that an entry of `skipModules` matches, with that entry. Throws for an entry that matches no path.
 */
export function skippedBy(skipModules: readonly string[], paths: readonly string[]): Map<string, string> {
  const skipped = new Map<string, string>();
  for (const pattern of skipModules) {
    const found = paths.filter(rule(pattern));
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
