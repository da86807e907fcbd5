// `pnpm golden [DIR]`: checks Lowrank against every golden file of a folder, by default the repository's.
//
// - --only ops,models/llama selects parts.
// - DIR may have the layout of models/smollm2-135m-instruct. Then --gguf is the model's file, --long trains all
//   recorded steps, and --threads is the number of threads.
// - DIR may contain models/stories260K-hf and data/. Then NF4's losses are compared.
// - --backend primitives, deferred, reference, wasm or webgpu runs everything on that backend only, and counts op calls
//   by their runner. --in page or worker does so in headless Chromium.
// - --brief uses one backend instead of five: WebAssembly with relaxed SIMD and two threads.
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { folderFiles } from "@lowrank/files";
import { goldenFolder } from "@lowrank/test-support/folders";
import type { Check } from "./check/compare.ts";
import type { GoldenPart } from "./check/goldenFiles.ts";
import { GoldenCount } from "./goldenCount.ts";
import { checksInChromium, placeOf } from "./inChromium/checksInChromium.ts";
import { holdsStories, quality } from "./models/quality.ts";
import { briefBackends, type GoldenBackend, namedBackend, usualBackends } from "./parts/backends.ts";
import { checksOn } from "./parts/checksOn.ts";
import { goldenParts } from "./parts/parts.ts";
import { isRealModel, realModel } from "./realModel/realModel.ts";

const {
  positionals: [dir = goldenFolder],
  values: options,
} = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: "string" },
    brief: { type: "boolean" },
    gguf: { type: "string" },
    in: { type: "string" },
    long: { type: "boolean" },
    only: { type: "string", default: "" },
    threads: { type: "string", default: "1" },
  },
});

const threads = Number(options.threads);
const only = options.only.split(",").filter((name) => name !== "");
const named = options.backend === undefined ? undefined : namedBackend(options.backend, threads);

async function* one(name: string, checks: () => AsyncIterable<Check>): AsyncGenerator<GoldenPart> {
  yield { name, checks };
}

async function* parts(): AsyncGenerator<GoldenPart> {
  if (isRealModel(dir)) yield* one("the model", () => realModel(dir, options));
  else if (holdsStories(dir)) yield* one("quality", () => quality(dir));
  else yield* goldenParts(await folderFiles(dir));
}

/** Yields the runs of this command: their names, and their checks. */
function* runs(): Generator<[backend: string, checks: AsyncIterable<Check>]> {
  if (options.in !== undefined) {
    if (named === undefined) throw new Error("golden: --in needs --backend, such as --backend webgpu");
    const job = { place: placeOf(options.in), backend: named.name, threads, only };
    yield [named.name, checksInChromium(dir, job)];
    return;
  }
  // A real model is too large for the reference loops.
  const large = isRealModel(dir) || holdsStories(dir);
  const small = options.brief ? briefBackends : usualBackends;
  const usual: readonly GoldenBackend[] = large ? [namedBackend("wasm", threads)] : small;
  const counted = named !== undefined;
  for (const backend of named ? [named] : usual) yield [backend.name, checksOn(backend, parts(), { only, counted })];
}

const count = new GoldenCount();
if (!existsSync(dir)) count.add({ name: dir, skipped: "there is no such folder" }, "any backend");
else for (const [backend, checks] of runs()) for await (const check of checks) count.add(check, backend);
const good = count.end(`${dir} holds nothing that is known here; golden/README.md describes the layout`);
process.exitCode = good ? 0 : 1;
