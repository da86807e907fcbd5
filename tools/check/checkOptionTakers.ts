// Part of pnpm check: each public function that takes options, by the types of its parameters, must have a call in
// packages/lowrank/src/testing/optionCalls. A test checks that these calls reject unknown options.
import { optionCalls } from "../../packages/lowrank/src/testing/optionCalls/index.ts";
import { optionTakers } from "./optionTakers.ts";

const found = optionTakers();
const called = Object.keys(optionCalls).filter((name) => !name.includes(":"));
const problems = [
  ...found.filter((name) => !called.includes(name)).map((name) => `${name} takes options and is not called`),
  ...called.filter((name) => !found.includes(name)).map((name) => `${name} is called and takes no options`),
];
for (const problem of problems) console.error(`packages/lowrank/src/testing/optionCalls: ${problem}`);
console.log(`checkOptionTakers: ${found.length} functions, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
