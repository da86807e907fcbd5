// pnpm mutants --seed S --count N [--package NAME]: changes the sources in a copy of the last commit, one small change
// at a time, and runs the tests of the changed file's package. A change that no test notices is printed. The last lines
// are one JSON object, and `N passed, N failed`: mutants that were noticed, and those that were not.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "./deploy/random.ts";
import { equivalent } from "./mutants/equivalent.ts";
import { type Mutation, mutated, mutationsOf } from "./mutants/mutations.ts";
import { formatTally } from "./tally.ts";

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "100" },
    package: { type: "string", default: "*" },
  },
});
const [seed, count] = [flags.seed, flags.count].map(Number);
if (!Number.isSafeInteger(seed) || !(count >= 1)) throw new Error("mutants: --seed and --count are whole numbers");

const root = resolve(import.meta.dirname, "..");
const { packageManager }: { packageManager: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const copy = mkdtempSync(join(tmpdir(), "lowrank-mutants-"));
/** Milliseconds after which a run counts as noticed: a loop that does not end. */
const limitMs = 300_000;

function run(command: string, ...args: readonly string[]) {
  return spawnSync(command, args, {
    cwd: copy,
    encoding: "utf8",
    timeout: limitMs,
    env: { ...process.env, CI: "true" },
  });
}

/** Runs test files in Node. True if one fails, or none ends in time. */
function fails(...args: readonly string[]): boolean {
  const { status, stdout } = run("node_modules/.bin/vitest", ...args);
  if (/No test files found/.test(stdout)) return false;
  return status !== 0;
}

const projects = ["--project", "node", "--project", "fresh", "--bail", "1", "--reporter", "dot"];

/** Returns how a mutant was noticed, or null. */
function noticedBy(file: string): string | null {
  const folder = dirname(file);
  if (globSync(join(folder, "*.test.ts"), { cwd: copy }).length > 0 && fails("run", `${folder}/`, ...projects)) {
    return "tests beside it";
  }
  const own = file.split("/").slice(0, 3).join("/");
  if (fails("related", file, "--run", `${own}/`, ...projects)) return "tests of its package";
  const types = run("node_modules/.bin/tsc", "-b", file.split("/").slice(0, 2).join("/"));
  return types.status === 0 ? null : "the compiler";
}

function isEquivalent(file: string, text: string, { line, from, to }: Mutation): boolean {
  const words = text.split("\n")[line - 1].trim();
  return equivalent.some((one) => one.file === file && one.line === words && one.from === from && one.to === to);
}

try {
  run("git", "clone", "--quiet", "--shared", root, copy);
  const installed = run("npx", "-y", packageManager, "install", "--frozen-lockfile", "--prefer-offline");
  if (installed.status !== 0) throw new Error(`mutants: the install failed: ${installed.stderr}`);
  const shared = resolve(root, process.env.LOWRANK_SHARED ?? "../shared");
  if (existsSync(shared)) process.env.LOWRANK_SHARED = shared;
  const files = globSync(`packages/${flags.package}/src/**/*.ts`, { cwd: copy })
    .filter((path) => !/\.test\.ts$|\.gen\.ts$|\.d\.ts$|\/testing\//.test(path))
    .sort();
  const sites = files.flatMap((file) => {
    const text = readFileSync(join(copy, file), "utf8");
    return mutationsOf(file, text).map((mutation) => ({ file, text, mutation }));
  });
  const random = new Random(seed);
  const tally = { passed: 0, failed: 0 };
  const survivors: string[] = [];
  let same = 0;
  for (let i = 0; i < count && sites.length > 0; i++) {
    const [{ file, text, mutation }] = sites.splice(random.below(sites.length), 1);
    const name = `${file}:${mutation.line}: ${mutation.from} became ${mutation.to}`;
    if (isEquivalent(file, text, mutation)) {
      same++;
      console.log(`same    ${name}`);
      continue;
    }
    writeFileSync(join(copy, file), mutated(text, mutation));
    const by = noticedBy(file);
    writeFileSync(join(copy, file), text);
    if (by === null) {
      tally.failed++;
      survivors.push(name);
    } else tally.passed++;
    console.log(by === null ? `MISSED  ${name}` : `noticed ${name} (${by})`);
  }
  const share = tally.passed / Math.max(1, tally.passed + tally.failed);
  console.log(JSON.stringify({ mutants: { seed, count, sites: sites.length, share, equivalent: same, survivors } }));
  console.log(formatTally(tally));
  process.exitCode = share >= 0.95 && same <= 0.05 * count ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
