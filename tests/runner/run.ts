// pnpm test [files and Vitest options]: runs the tests of these files in Node, in a page of Chromium and in a Web
// Worker. Without arguments it runs the golden data on one backend, all tests in Node except the long ones, and in a
// page the tests about what pages do in their own way (the project "page" in vitest.config.ts). `.ci/run` names the
// other projects.
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { formatTally, parseTally, type Tally } from "@lowrank/test-support/tally";
import { runVitest } from "./runVitest.ts";

/** Checks the golden data in a separate process, since that keeps one core busy. */
function runGolden(): Promise<{ stdout: string; stderr: string }> {
  const args = [resolve(import.meta.dirname, "../golden/run.ts"), "--brief"];
  return new Promise((ended) => {
    // An exit code other than 0 also shows in the count, or the count is missing.
    execFile(process.execPath, args, { maxBuffer: 2 ** 28 }, (_error, stdout, stderr) => ended({ stdout, stderr }));
  });
}

function countGolden({ stdout, stderr }: { stdout: string; stderr: string }): Tally {
  process.stderr.write(stderr);
  process.stdout.write(`\ngolden\n${stdout}`);
  const tally = parseTally(stdout);
  if (tally === undefined) console.error("golden: the run ended before its count");
  return tally ?? { passed: 0, failed: 1 };
}

const args = process.argv.slice(2);
const running = args.length === 0 ? runGolden() : undefined;
/** Returns Vitest's options for all projects except these. */
const except = (...names: readonly string[]): string[] => names.flatMap((name) => ["--project", `!${name}`]);
const everyDay = except("long", "browser", "worker", "longWorker");
// The project "browser" has the files of "page" too.
const chosen = args.some((arg) => arg.startsWith("--project")) ? args : [...args, ...except("page")];
const { tally, skipped, endedEarly } = await runVitest(args.length === 0 ? everyDay : chosen);
const golden = running === undefined ? { passed: 0, failed: 0 } : countGolden(await running);
for (const name of skipped) console.log(`skipped: ${name}`);
for (const sentence of endedEarly) console.log(sentence);
const total = { passed: tally.passed + golden.passed, failed: tally.failed + golden.failed };
console.log(formatTally(total));
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
