import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { directImports, packageDiagram, packages } from "./packages.ts";

const root = resolve(import.meta.dirname, "../..");

/** The packages that arrows of the diagram lead to, directly or through others. */
function reached(from: string, found = new Set<string>()): Set<string> {
  for (const [, target] of packageDiagram().matchAll(new RegExp(`^ *${from} --> (\\w+)$`, "gm"))) {
    if (!found.has(target)) reached(target, found.add(target));
  }
  return found;
}

test("the list has all packages", () => {
  const folders = globSync("packages/*/package.json", { cwd: root }).map((path) => path.split("/")[1]);
  expect(Object.keys(packages).sort()).toEqual(folders.sort());
});

test.each(Object.entries(packages))("the arrows of the diagram lead from %s to all that it may import", (name, one) => {
  expect([...reached(name)].sort()).toEqual([...one.imports].sort());
});

test.each(Object.entries(packages))("a package.json has the dependencies of the list: %s", (name, { imports }) => {
  const file = readFileSync(join(root, "packages", name, "package.json"), "utf8");
  const { dependencies = {} } = JSON.parse(file) as { dependencies?: Record<string, string> };
  const own = Object.keys(dependencies).filter((other) => other.startsWith("@lowrank/"));
  for (const other of own) expect(imports, other).toContain(other.slice("@lowrank/".length));
});

test("no arrow repeats what others lead to", () => {
  expect(directImports("lowrank")).toEqual(["webgpu", "testing", "serve", "nano"]);
  expect(directImports("core")).toEqual([]);
});
