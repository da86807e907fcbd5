// pnpm mutants --seed S --count N [--package NAME,NAME] [--only FILE:LINE]: tests the tests. It copies the last commit,
// makes one small change at a time to the sources, and runs the tests of the changed package. A change that no test
// detects is printed. The last lines are one JSON object and the count of detected and undetected mutants. See
// CONTRIBUTING.md.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "@lowrank/test-support/random";
import { formatTally } from "@lowrank/test-support/tally";
import { isEquivalent } from "./equivalent.ts";
import { type Mutation, mutated, mutationsOf } from "./mutations.ts";
import { Tests } from "./tests.ts";

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string" },
    package: { type: "string", default: "*" },
    only: { type: "string", multiple: true },
  },
});
const [seed, count] = [Number(flags.seed), Number(flags.count ?? (flags.only ? 1e9 : 100))];
if (!Number.isSafeInteger(seed) || !(count >= 1)) {
  throw new Error(`mutants: --seed and --count are whole numbers, and they are ${flags.seed} and ${flags.count}`);
}

const root = resolve(import.meta.dirname, "../..");
const { packageManager }: { packageManager: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const copy = mkdtempSync(join(tmpdir(), "lowrank-mutants-"));
const tests = new Tests(copy);
process.on("exit", () => {
  tests.end();
  rmSync(copy, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

function run(command: string, ...args: readonly string[]) {
  return spawnSync(command, args, { cwd: copy, encoding: "utf8" });
}

/** Makes the copy and installs its dependencies. */
function prepare(): void {
  run("git", "clone", "--quiet", "--shared", root, copy);
  const installed = run("npx", "-y", packageManager, "install", "--frozen-lockfile", "--prefer-offline");
  if (installed.status !== 0) throw new Error(`mutants: the install failed: ${installed.stdout}${installed.stderr}`);
  const shared = resolve(root, process.env.LOWRANK_SHARED ?? "../shared");
  if (existsSync(shared)) process.env.LOWRANK_SHARED = shared;
}

interface Site {
  readonly file: string;
  readonly text: string;
  readonly mutation: Mutation;
}

/** Lists all changes, or only the changes of lines that --only names. */
function listSites(): Site[] {
  const files = flags.package
    .split(",")
    .flatMap((name) => globSync(`packages/${name}/src/**/*.ts`, { cwd: copy }))
    .filter((path) => !/\.test\.ts$|\.gen\.ts$|\.d\.ts$|\/testing\//.test(path))
    .sort();
  const sites = files.flatMap((file) => {
    const text = readFileSync(join(copy, file), "utf8");
    return mutationsOf(file, text).map((mutation) => ({ file, text, mutation }));
  });
  const { only } = flags;
  return only ? sites.filter(({ file, mutation }) => only.includes(`${file}:${mutation.line}`)) : sites;
}

/** Returns how a mutant is detected, or null. */
async function noticedBy({ file, text, mutation }: Site): Promise<string | null> {
  const path = join(copy, file);
  const change = () => writeFileSync(path, mutated(text, mutation));
  const restore = () => writeFileSync(path, text);
  change();
  try {
    const test = await tests.noticedBy(file, async (body) => {
      restore();
      try {
        return await body();
      } finally {
        change();
      }
    });
    if (test !== null) return test;
    const types = run("node_modules/.bin/tsc", "-b", file.split("/").slice(0, 2).join("/"));
    return types.status === 0 ? null : "the compiler";
  } finally {
    restore();
  }
}

prepare();
const sites = listSites();
const { length: total } = sites;
if (total === 0) throw new Error(`mutants: nothing to change in ${flags.only?.join(", ") ?? flags.package}`);
const random = new Random(seed);
const tally = { passed: 0, failed: 0 };
const survivors: string[] = [];
let same = 0;
for (let i = 0; i < count && sites.length > 0; i++) {
  const [site] = sites.splice(random.below(sites.length), 1);
  const { file, text, mutation } = site;
  const name = `${file}:${mutation.line}: ${mutation.from} became ${mutation.to}`;
  if (isEquivalent(file, text, mutation)) {
    same++;
    console.log(`same    ${name}`);
    continue;
  }
  const start = performance.now();
  const by = await noticedBy(site);
  const seconds = Math.round((performance.now() - start) / 1000);
  if (by === null) {
    tally.failed++;
    survivors.push(name);
  } else tally.passed++;
  console.log(by === null ? `MISSED  ${name} (${seconds} s)` : `noticed ${name} (${by}, ${seconds} s)`);
}
const tried = tally.passed + tally.failed;
const share = tried === 0 ? 1 : tally.passed / tried;
const broken = [...tests.broken];
console.log(JSON.stringify({ mutants: { seed, tried, total, share, equivalent: same, survivors, broken } }));
console.log(formatTally(tally));
process.exitCode = share >= 0.95 && (flags.only !== undefined || same <= 0.05 * (tried + same)) ? 0 : 1;
tests.end();
