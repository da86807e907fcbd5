// `pnpm golden [DIR]`: runs Lowrank against every golden file of a folder, the repository's own by default.
import { type Backend, init, reference } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import { type WasmBackend, wasm } from "@lowrank/wasm";
import { goldenFolder } from "../sharedFolder.ts";
import { adapters, weighted } from "./adapters.ts";
import type { Check } from "./compare.ts";
import { models } from "./models.ts";
import { nf4 } from "./nf4.ts";
import { ops } from "./ops.ts";
import { qlora } from "./qlora.ts";

/** Two threads with a grain so small that every kernel call that can be cut is. */
const two = { threads: 2, grain: 1 };

const backends: Readonly<Record<string, () => Backend | Promise<WasmBackend>>> = {
  reference,
  "wasm relaxed": () => wasm({ build: "relaxed" }),
  "wasm relaxed, two threads": () => wasm({ build: "relaxed", ...two }),
  "wasm simd": () => wasm({ build: "simd" }),
  "wasm simd, two threads": () => wasm({ build: "simd", ...two }),
};

const dir = process.argv[2] ?? goldenFolder;

const suites: Readonly<Record<string, () => AsyncIterable<Check>>> = {
  ops: async function* () {
    yield* ops(await folderFiles(dir));
  },
  models: () => models(dir),
  adapters: () => adapters(dir),
  weighted: () => weighted(dir),
  qlora: () => qlora(dir),
  nf4: () => nf4(dir),
};

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
  for (const [suite, run] of Object.entries(suites)) {
    try {
      for await (const check of run()) count(check, backend);
    } catch (error) {
      count({ name: `the rest of ${suite}`, error: (error as Error).stack }, backend);
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
