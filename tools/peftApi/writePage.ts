// Writes docs/peft-api.md: every public name of PEFT with ours. `--check` fails if the page is out of date.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as lowrank from "lowrank";
import { page } from "./page.ts";

const file = join(import.meta.dirname, "../../docs/peft-api.md");
const exported = new Set(Object.keys(lowrank));
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const text = page(exported);
if (!values.check) writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) {
  console.error("docs/peft-api.md is out of date: run pnpm docs:peft");
  process.exitCode = 1;
}
