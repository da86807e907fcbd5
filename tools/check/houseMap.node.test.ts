import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { mayImport } from "./checkImports.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = join(root, "docs", "design");
const map = readFileSync(join(folder, "map.md"), "utf8");

/** The arrows of the diagram, by the package at which they start. */
function arrows(markdown: string): Map<string, string[]> {
  const [, picture = ""] = /^```mermaid\n([\s\S]*?)^```$/m.exec(markdown) ?? [];
  const found = new Map(Array.from(picture.matchAll(/^ *(\w+)\[/gm), ([, name]) => [name, [] as string[]]));
  for (const [, from, to] of picture.matchAll(/^ *(\w+) --> (\w+)$/gm)) found.get(from)?.push(to);
  return found;
}

/** All packages that can be reached by arrows from a package. */
function reached(from: string, ways: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>();
  const queue = [...(ways.get(from) ?? [])];
  for (const name of queue) {
    if (found.has(name)) continue;
    found.add(name);
    queue.push(...(ways.get(name) ?? []));
  }
  return found;
}

describe("the picture of the packages", () => {
  const ways = arrows(map);

  it("leads from each package to what the import rules let it have", () => {
    expect([...ways.keys()].sort()).toEqual(Object.keys(mayImport).sort());
    for (const [name, allowed] of Object.entries(mayImport)) {
      expect([...reached(name, ways)].sort(), name).toEqual([...allowed].sort());
    }
  });

  it("has no arrow that others make needless", () => {
    for (const [from, targets] of ways) {
      for (const target of targets) {
        const without = new Map(ways).set(
          from,
          targets.filter((other) => other !== target),
        );
        expect(reached(from, without).has(target), `${from} --> ${target}`).toBe(false);
      }
    }
  });
});

const steps = Array.from(map.matchAll(/^(?:\d+\.|-) `(\w+)` in \[[^\]]+\]\(([^)]+)\)/gm), ([, name, path]) => ({
  name,
  path,
}));

it("names a file in every step of its ways", () => {
  const items = map.match(/^(?:\d+\.|- `\w+` )/gm) ?? [];
  expect(steps.length).toBe(items.length);
  expect(steps.length).toBeGreaterThan(30);
});

it.each(steps)("$name happens in $path", ({ name, path }) => {
  expect(readFileSync(join(folder, path), "utf8")).toMatch(new RegExp(`\\b${name}\\b`));
});
