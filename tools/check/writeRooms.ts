// pnpm docs:rooms [--check]: writes the tables of tools/check/rooms.ts to docs/design/imports.md, and the packages of
// tools/check/packages.ts as a table to the same page and as a diagram to docs/design/map.md. With --check it only
// compares them.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { packageDiagram, packages } from "./packages.ts";
import { folderOf, rooms } from "./rooms.ts";

const design = resolve(import.meta.dirname, "../../docs/design");

/** Returns a Markdown table with columns as wide as their longest cell. */
function table(...rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length), 5));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |\n`;
  return `${line(rows[0])}| ${widths.map((width) => "-".repeat(width)).join(" | ")} |\n${rows.slice(1).map(line).join("")}`;
}

/** Returns the section of one package or folder. */
function sectionOf(name: string): string {
  // In a package, rooms have short names. Elsewhere a room has the path from the root.
  const prefix = folderOf(name) === name ? `${name}/` : "";
  const rows = Object.entries(rooms[name]).map(([room, holds]) => [`\`${prefix}${room}\``, holds]);
  return `### ${name}\n\n${table(["room", "holds"], ...rows)}`;
}

const rowsOfPackages = Object.entries(packages).map(([name, { imports }]) => [
  name,
  imports.length > 0 ? imports.join(", ") : "nothing: no other package, no npm package, no `node:`",
]);
const others = ["bench, conformance, docs, tests, tools", "the exports of all"];

/** The generated parts by page and name. */
const parts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "imports.md": {
    packages: table(["package", "may import"], ...rowsOfPackages, others),
    rooms: Object.keys(rooms).map(sectionOf).join("\n"),
  },
  "map.md": { packages: packageDiagram() },
};

for (const [page, texts] of Object.entries(parts)) {
  const path = resolve(design, page);
  const text = readFileSync(path, "utf8");
  let after = text;
  for (const [name, part] of Object.entries(texts)) {
    const [start, end] = [`<!-- ${name}: written by pnpm docs:rooms -->\n`, `<!-- end of ${name} -->\n`];
    const [from, to] = [after.indexOf(start), after.indexOf(end)];
    if (from === -1 || to === -1) {
      throw new Error(`writeRooms: ${path} needs the lines "${start.trim()}" and "${end.trim()}"`);
    }
    after = `${after.slice(0, from + start.length)}\n${part}\n${after.slice(to)}`;
  }
  if (process.argv.includes("--check")) {
    if (after !== text) throw new Error(`writeRooms: docs/design/${page} is out of date; run \`pnpm docs:rooms\``);
  } else writeFileSync(path, after);
}
