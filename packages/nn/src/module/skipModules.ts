import { nearestName } from "@lowrank/core/internal";

/**
 * Returns a test for paths by transformers' rule. An entry matches the end of a path, or its start up to a dot. The
 * start may be a regular expression.
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
 * Returns the matching entry for each path that `skipModules` names. Throws for entries that match no path or every
 * path.
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
