// pnpm fuzz [--seed 1] [--cases 20000] [--only CASE]: damages small valid files of every kind that Lowrank reads, and
// reads them. A damaged file may be rejected by an error that names it, or be usable. Any other outcome is a failure,
// and the command that reproduces it is printed. The last lines are one JSON object, and the count. See
// CONTRIBUTING.md.
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { init } from "@lowrank/core";
import { Random } from "@lowrank/test-support/random";
import { wasm } from "@lowrank/wasm";
import type { Report } from "./child.ts";
import { tryCase } from "./fuzzCase.ts";
import { runJob } from "./runJob.ts";
import { readSamples, type Sample, writeSamples } from "./sample.ts";
import { isBad, TallyTable } from "./tallyTable.ts";

/** The maximum size of one sample in bytes: every case copies its files. */
const mostBytes = 2 ** 20;

/**
 * Throws if an undamaged file is not usable, since code that rejects every file would then pass. Also throws if files
 * are so large that cases are slow.
 */
async function checkSamples(samples: readonly Sample[]): Promise<void> {
  for (const sample of samples) {
    const bytes = [...sample.files.values()].reduce((sum, { length }) => sum + length, 0);
    if (bytes > mostBytes) {
      throw new Error(
        `fuzz: the sample ${sample.attempt}/${sample.name} has ${bytes} bytes; give its architecture small sizes in tinySizes.ts`,
      );
    }
    const one = { sample, files: sample.files, file: "", what: "", onDisk: false, random: new Random(1) };
    const { verdict, error } = await tryCase(one, "");
    if (verdict === "fine") continue;
    throw new Error(`fuzz: the good sample ${sample.attempt}/${sample.name} is refused`, { cause: error });
  }
}

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    cases: { type: "string", default: "20000" },
    only: { type: "string" },
  },
});
const [seed, only] = [Number(flags.seed), flags.only === undefined ? undefined : Number(flags.only)];
const cases = only === undefined ? Number(flags.cases) : 1;
if (![seed, cases, only ?? 0].every((value) => Number.isSafeInteger(value) && value >= 0)) {
  throw new Error(`fuzz: --seed, --cases and --only are whole numbers, and they are ${JSON.stringify(flags)}`);
}

/** The number of cases after which a process is replaced by a new one. */
const casesOfProcess = 2500;

const start = performance.now();
const folder = mkdtempSync(join(tmpdir(), "lowrank-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "../../node_modules/.cache/compiled");
console.warn = () => {};
await init(wasm());
await writeSamples(join(folder, "samples"));
const samples = await readSamples(join(folder, "samples"));
await checkSamples(samples);

const table = new TallyTable();
const end = only === undefined ? cases : only + 1;
let next = only ?? 0;
let tried = 0;

function onReport(report: Report): void {
  table.add(report);
  tried++;
  if (tried % 5000 === 0)
    console.log(`${tried} of ${cases} cases, ${Math.round((performance.now() - start) / 1000)} s`);
  if (only === undefined) return;
  console.log(`${report.verdict}: ${report.what}\n${report.message ?? ""}`);
  if (isBad(report.verdict)) console.log(report.stack);
}

/** Runs cases in one process after another until none is left. */
async function work(worker: number): Promise<void> {
  const room = join(folder, `room${worker}`);
  await mkdir(room);
  while (next < end) {
    const to = Math.min(next + casesOfProcess, end);
    let from = next;
    next = to;
    while (from < to) {
      rmSync(join(room, "fuzzed"), { recursive: true, force: true });
      from = await runJob({ samples: join(folder, "samples"), room, seed, from, to }, samples, onReport);
    }
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, (_, worker) => work(worker)));
const lines = only === undefined ? [...table.failures(seed), "", ...table.table()] : [];
for (const line of lines) console.log(line);
const { total } = table;
const seconds = Math.round((performance.now() - start) / 1000);
console.log(JSON.stringify({ fuzz: { seed, ...total, seconds } }));
const passed = total.fine + total.clear;
console.log(`${passed} passed, ${total.cases - passed} failed`);
process.exitCode = passed === total.cases ? 0 : 1;
