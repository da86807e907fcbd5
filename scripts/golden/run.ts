// `pnpm golden [DIR]`: runs Lowrank against every golden file of a folder, the repository's own by default.
import { type Backend, init, reference } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { goldenFolder } from "../sharedFolder.ts";
import { adapters, weighted } from "./adapters.ts";
import type { Check } from "./compare.ts";
import { models } from "./models.ts";
import { ops } from "./ops.ts";
import { optimisersAndSchedules } from "./optimisers.ts";

const backends: Readonly<Record<string, () => Backend | Promise<Backend>>> = {
  reference,
  "wasm relaxed": () => wasm({ build: "relaxed" }),
  "wasm simd": () => wasm({ build: "simd" }),
};

interface Suite {
  run: (dir: string) => AsyncIterable<Check>;
  /** The backends it runs on. */
  on: readonly string[];
}

const all = Object.keys(backends);

const suites: readonly Suite[] = [
  { run: ops, on: all },
  { run: optimisersAndSchedules, on: all },
  { run: models, on: all },
  { run: adapters, on: all },
  { run: weighted, on: all },
];

const dir = process.argv[2] ?? goldenFolder;
let passed = 0;
let failed = 0;
const skipped = new Map<string, string>();

function count({ name, error, skipped: reason }: Check, backend: string): void {
  if (reason !== undefined) skipped.set(name, reason);
  else if (error === undefined) passed++;
  else {
    failed++;
    console.log(`FAILED ${name} on ${backend}: ${error}`);
  }
}

for (const [backend, start] of Object.entries(backends)) {
  await init(start());
  for (const { run, on } of suites) {
    if (!on.includes(backend)) continue;
    try {
      for await (const check of run(dir)) count(check, backend);
    } catch (error) {
      count({ name: `the rest of ${run.name}`, error: (error as Error).stack }, backend);
    }
  }
}

for (const [name, reason] of skipped) console.log(`skipped ${name}: ${reason}`);
if (passed + failed === 0) {
  failed++;
  console.log(`${dir} holds nothing that is known here; golden/README.md describes the layout`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
