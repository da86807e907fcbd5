// `pnpm golden [DIR]`: runs Lowrank against every golden file of a folder, the repository's
// own by default. DIR may also have the layout of models/smollm2-135m-instruct: then --gguf
// names the model's file, --long trains all recorded steps, and --threads says on how many
// threads. Or it holds models/stories260K-hf and data/: then NF4's losses are compared.
// --backend primitives, deferred, reference, wasm or webgpu runs all of it on that backend
// alone, and counts what op calls ran as.
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { init } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import { goldenFolder } from "../sharedFolder.ts";
import { adapters } from "./adapters.ts";
import { namedBackend, usualBackends } from "./backends.ts";
import type { Check } from "./compare.ts";
import { countCalls, describeCalls } from "./countCalls.ts";
import { exceptionOf } from "./exceptions.ts";
import { models } from "./models.ts";
import { nf4 } from "./nf4.ts";
import { ops } from "./ops.ts";
import { qlora } from "./qlora.ts";
import { holdsStories, quality } from "./quality.ts";
import { isRealModel, realModel } from "./realModel/realModel.ts";
import { weighted } from "./weighted.ts";

const {
  positionals: [dir = goldenFolder],
  values: options,
} = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: "string" },
    gguf: { type: "string" },
    long: { type: "boolean" },
    threads: { type: "string", default: "1" },
  },
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

const threads = Number(options.threads);

/** A real model is too large for the reference loops. */
function chooseSuites(): [Suites, typeof usualBackends] {
  const named = options.backend === undefined ? undefined : namedBackend(options.backend, threads);
  const one = named ?? namedBackend("wasm", threads);
  if (isRealModel(dir)) return [{ "the model": () => realModel(dir, options) }, one];
  if (holdsStories(dir)) return [{ quality: () => quality(dir) }, one];
  return [goldenSuites, named ?? usualBackends];
}

const [suites, chosen] = chooseSuites();

let passed = 0;
let failed = 0;
let excepted = 0;
const skipped = new Map<string, string>();

function count({ name, error, note, skipped: reason }: Check, backend: string): void {
  if (note !== undefined) console.log(`${name} on ${backend}: ${note}`);
  if (reason !== undefined) skipped.set(name, reason);
  else if (error === undefined) passed++;
  else if (exceptionOf(backend, name) !== undefined) {
    excepted++;
    console.log(`excepted ${name} on ${backend}: ${error} (${exceptionOf(backend, name)})`);
  } else {
    failed++;
    console.log(`FAILED ${name} on ${backend}: ${error}`);
  }
}

if (!existsSync(dir)) skipped.set(dir, "there is no such folder");
for (const [backend, start] of Object.entries(existsSync(dir) ? chosen : {})) {
  const started = await start();
  if (typeof started === "string") {
    skipped.set(`all on ${backend}`, started);
    continue;
  }
  const counted = options.backend === undefined ? null : countCalls(started);
  await init(counted?.backend ?? started);
  for (const [suite, run] of Object.entries(suites)) {
    try {
      for await (const check of run()) count(check, backend);
    } catch (error) {
      count({ name: `the rest of ${suite}`, error: (error as Error).stack }, backend);
    }
  }
  if (counted) console.log(`op calls on ${backend}: ${describeCalls(counted.counts)}`);
}

for (const [name, reason] of skipped) console.log(`skipped ${name}: ${reason}`);
if (passed + failed + excepted + skipped.size === 0) {
  failed++;
  console.log(`${dir} holds nothing that is known here; golden/README.md describes the layout`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
