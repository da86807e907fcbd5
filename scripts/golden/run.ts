// `pnpm golden [DIR]`: runs Lowrank against every golden file of a folder, the repository's own by default. DIR may also have
// the layout of models/smollm2-135m-instruct: then --gguf names the model's file, --long trains all recorded steps, and
// --threads says on how many threads. Or it holds models/stories260K-hf and data/: then NF4's losses are compared.
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
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
import { holdsStories, quality } from "./quality.ts";
import { isRealModel, realModel } from "./realModel/realModel.ts";

/** Two threads with a grain so small that every kernel call that can be cut is. */
const two = { threads: 2, grain: 1 };

const backends: Readonly<Record<string, () => Backend | Promise<WasmBackend>>> = {
  reference,
  "wasm relaxed": () => wasm({ build: "relaxed" }),
  "wasm relaxed, two threads": () => wasm({ build: "relaxed", ...two }),
  "wasm simd": () => wasm({ build: "simd" }),
  "wasm simd, two threads": () => wasm({ build: "simd", ...two }),
};

const {
  positionals: [dir = goldenFolder],
  values: options,
} = parseArgs({
  allowPositionals: true,
  options: { gguf: { type: "string" }, long: { type: "boolean" }, threads: { type: "string", default: "1" } },
});

type Suites = Readonly<Record<string, () => AsyncIterable<Check>>>;

const goldenSuites: Suites = {
  ops: async function* () {
    yield* ops(await folderFiles(dir));
  },
  models: () => models(dir),
  adapters: () => adapters(dir),
  weighted: () => weighted(dir),
  qlora: () => qlora(dir),
  nf4: () => nf4(dir),
};

const oneBackend = { wasm: () => wasm({ threads: Number(options.threads) }) };

/** A real model is too large for the reference loops; what differs between the builds is tried on small ones. */
function chooseSuites(): [Suites, typeof backends] {
  if (isRealModel(dir)) return [{ "the model": () => realModel(dir, options) }, oneBackend];
  if (holdsStories(dir)) return [{ quality: () => quality(dir) }, oneBackend];
  return [goldenSuites, backends];
}

const [suites, chosen] = chooseSuites();

let passed = 0;
let failed = 0;
const skipped = new Map<string, string>();

function count({ name, error, note, skipped: reason }: Check, backend: string): void {
  if (note !== undefined) console.log(`${name} on ${backend}: ${note}`);
  if (reason !== undefined) skipped.set(name, reason);
  else if (error === undefined) passed++;
  else {
    failed++;
    console.log(`FAILED ${name} on ${backend}: ${error}`);
  }
}

if (!existsSync(dir)) skipped.set(dir, "there is no such folder");
for (const [backend, start] of Object.entries(existsSync(dir) ? chosen : {})) {
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
if (passed + failed + skipped.size === 0) {
  failed++;
  console.log(`${dir} holds nothing that is known here; golden/README.md describes the layout`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
