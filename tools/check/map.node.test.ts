import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const folder = join(root, "docs", "design");
const map = readFileSync(join(folder, "map.md"), "utf8");

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
