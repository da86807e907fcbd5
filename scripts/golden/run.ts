// `pnpm golden [DIR]`: runs Lowrank against every golden file of a folder, the repository's own by default.
import { join } from "node:path";
import { type Backend, init, reference } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import type { Check } from "./compare.ts";
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
];

const dir = process.argv[2] ?? join(import.meta.dirname, "../../golden");
let passed = 0;
let failed = 0;
const skipped = new Map<string, string>();

for (const [name, start] of Object.entries(backends)) {
  await init(start());
  for (const { run, on } of suites) {
    if (!on.includes(name)) continue;
    for await (const check of run(dir)) {
      if (check.skipped !== undefined) skipped.set(check.name, check.skipped);
      else if (check.error === undefined) passed++;
      else {
        failed++;
        console.log(`FAILED ${check.name} on ${name}: ${check.error}`);
      }
    }
  }
}

for (const [name, reason] of skipped) console.log(`skipped ${name}: ${reason}`);
if (passed + failed === 0) {
  console.log(`${dir} holds nothing that is known here; see golden/README.md for the layout`);
  failed++;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
