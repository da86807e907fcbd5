// pnpm docs:rooms [--check]: writes the tables of tools/check/rooms.ts to docs/design/imports.md. With
// --check it only compares them.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { folderOf, rooms } from "./rooms.ts";

const path = resolve(import.meta.dirname, "../../docs/design/imports.md");
const [start, end] = ["<!-- rooms: written by pnpm docs:rooms -->\n", "<!-- end of rooms -->\n"];

/** Returns the section of one package or folder, with columns as wide as their longest cell. */
function sectionOf(name: string): string {
  // In a package, rooms have short names. Elsewhere a room has the path from the root.
  const prefix = folderOf(name) === name ? `${name}/` : "";
  const rows = Object.entries(rooms[name]).map(([room, holds]) => [`\`${prefix}${room}\``, holds]);
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i].length), 5));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |\n`;
  const head = `${line(["room", "holds"])}| ${widths.map((width) => "-".repeat(width)).join(" | ")} |\n`;
  return `### ${name}\n\n${head}${rows.map(line).join("")}`;
}

const text = readFileSync(path, "utf8");
const [from, to] = [text.indexOf(start), text.indexOf(end)];
if (from === -1 || to === -1)
  throw new Error(`writeRooms: ${path} needs the lines "${start.trim()}" and "${end.trim()}"`);
const sections = Object.keys(rooms).map(sectionOf).join("\n");
const after = `${text.slice(0, from + start.length)}\n${sections}\n${text.slice(to)}`;
if (process.argv.includes("--check")) {
  if (after !== text) throw new Error("writeRooms: docs/design/imports.md is out of date; run `pnpm docs:rooms`");
} else writeFileSync(path, after);
