// pnpm docs:counts [--check]: runs the checks whose counts are in README.md and writes the counts between markers such
// as <!-- count golden -->16,110<!-- -->. With --check it writes nothing, leaves out the real model, and fails if
// README has other counts. A count whose data or model is absent stays as it is. The last line has the sum of all
// checks.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { formatTally } from "@lowrank/test-support/tally";
import { drawnMethods } from "../../conformance/src/methods/index.ts";
import { countsIn, withCounts } from "./countMarkers.ts";

const root = resolve(import.meta.dirname, "../..");
const shared = resolve(root, process.env.LOWRANK_SHARED ?? "../shared");
const isCheck = process.argv.includes("--check");
const tally = { passed: 0, failed: 0 };

/** Returns the number of checks that `pnpm golden` passes on a shared file or folder; null if it is absent. */
function golden(path: string): number | null {
  const place = join(shared, path);
  if (!existsSync(place)) {
    console.log(`skipped: the count of pnpm golden ${path} (${place} is absent)`);
    return null;
  }
  const { stdout } = spawnSync(process.execPath, ["tests/golden/run.ts", place], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.stdout.write(stdout);
  const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(stdout) ?? [];
  if (passed === undefined) throw new Error(`docs:counts: pnpm golden ${path} printed no count`);
  tally.passed += Number(passed);
  tally.failed += Number(failed);
  return Number(passed);
}

const measured: Readonly<Record<string, number | null>> = {
  golden: golden("golden"),
  smollm2: isCheck ? null : golden("models/smollm2-135m-instruct"),
  methods: drawnMethods.length,
};
const path = join(root, "README.md");
const text = readFileSync(path, "utf8");
const missing = Object.keys(measured).filter((name) => !(name in countsIn(text)));
if (missing.length > 0) throw new Error(`docs:counts: README.md has no marker for ${missing.join(", ")}`);
const wrong = Object.entries(countsIn(text)).filter(([name, count]) => (measured[name] ?? count) !== count);
if (isCheck) {
  for (const [name, count] of wrong) {
    console.log(`failed: README.md has ${count} for "${name}", and it is ${measured[name]}; run pnpm docs:counts`);
    tally.failed++;
  }
} else writeFileSync(path, withCounts(text, measured));
console.log(formatTally(tally));
process.exitCode = tally.failed > 0 ? 1 : 0;
