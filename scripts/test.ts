// pnpm test [files and Vitest options]: the tests in Node, Chromium and a Web Worker, and without
// arguments the golden data.
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { runVitest } from "./runVitest.ts";
import { formatTally, parseTally, type Tally } from "./tally.ts";

function runGolden(): Tally {
  const args = [resolve(import.meta.dirname, "golden/run.ts")];
  const { stdout, error } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error) throw error;
  process.stdout.write(`\ngolden\n${stdout}`);
  const tally = parseTally(stdout);
  if (tally === undefined) console.error("golden: the run ended before its count");
  return tally ?? { passed: 0, failed: 1 };
}

const args = process.argv.slice(2);
const { tally, skipped, endedEarly } = await runVitest(args);
const golden = args.length === 0 ? runGolden() : { passed: 0, failed: 0 };
for (const name of skipped) console.log(`skipped: ${name}`);
for (const sentence of endedEarly) console.log(sentence);
const total = { passed: tally.passed + golden.passed, failed: tally.failed + golden.failed };
console.log(formatTally(total));
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
