// Part of pnpm check: the list of public functions that take options must match the types. After a change of the API,
// run node tools/check/checkOptionTakers.ts --write, and add a call of each new function in
// packages/lowrank/src/testing/optionCalls, whose test checks that the function rejects unknown options.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { optionTakers } from "./optionTakers.ts";

const list = join(import.meta.dirname, "../../packages/lowrank/src/testing/optionCalls/optionTakers.gen.json");
const found = optionTakers();
if (process.argv.includes("--write")) writeFileSync(list, `${JSON.stringify(found, null, 2)}\n`);
const listed: string[] = JSON.parse(readFileSync(list, "utf8"));
const problems = [
  ...found.filter((name) => !listed.includes(name)).map((name) => `${name} takes options and is not listed`),
  ...listed.filter((name) => !found.includes(name)).map((name) => `${name} is listed and takes no options`),
];
for (const problem of problems) console.error(`${problem}; run node tools/check/checkOptionTakers.ts --write`);
console.log(`checkOptionTakers: ${found.length} functions, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
