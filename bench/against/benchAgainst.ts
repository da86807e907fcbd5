// `pnpm bench NAME --against REF`: compares the working tree with another commit, in alternating processes.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { init } from "@lowrank/core";
import { parseModelConfig, saveModel } from "@lowrank/models";
import { sharedPath } from "@lowrank/test-support/folders";
import { wasm } from "@lowrank/wasm";
import { build } from "esbuild";
import { loraStepCases, randomModel } from "../lib/loraStep.ts";
import { geometricMean, machine, median, printTable, statisticsOf } from "../lib/measure.ts";
import { adaptersOf } from "../lib/serve/startEngine.ts";
import { UsageError } from "../lib/usageError.ts";
import { type Interval, leastValues, medianInterval } from "./interval.ts";
import { checkOutRef, compile } from "./refFolder.ts";
import { type ChildOptions, type Parts, subjectParts } from "./subject.ts";

const root = resolve(import.meta.dirname, "../..");
/**
 * Time limit in milliseconds for starting rounds, so that a benchmark ends within six minutes. The rounds that an
 * interval needs always run.
 */
const budget = 320_000;

/**
 * Puts the measuring program into a source folder, so that it imports that folder's packages. Returns the arguments for
 * Node.
 */
async function placeChild(folder: string): Promise<string[]> {
  const outdir = join(folder, "bench/dist/against");
  await mkdir(outdir, { recursive: true });
  await build({
    entryPoints: { hooks: join(root, "bench/lib/compiledPackages.ts"), child: join(import.meta.dirname, "child.ts") },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node22",
    outdir,
    outExtension: { ".js": ".mjs" },
  });
  return ["--import", join(outdir, "hooks.mjs"), join(outdir, "child.mjs")];
}

async function measureOnce(child: string[], name: string, options: ChildOptions): Promise<Parts> {
  const parts: Parts = {};
  for (const part of subjectParts[name]!) {
    const args = [...child, name, JSON.stringify({ ...options, part })];
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
    Object.assign(parts, JSON.parse(stdout.trimEnd().split("\n").at(-1)!));
  }
  return parts;
}

/** Writes a model with random weights as a Hugging Face folder. Returns its path. */
async function writeModel(folder: string, shape: keyof typeof loraStepCases, dtype: "f32" | "bf16"): Promise<string> {
  const { config } = loraStepCases[shape];
  const path = join(folder, shape);
  await saveModel(randomModel(config), parseModelConfig(config), path, { dtype });
  return path;
}

/** Writes the models that a subject reads and that are not on disk yet. Returns their paths. */
async function makeModels(folder: string, name: string): Promise<ChildOptions> {
  const models: ChildOptions = { m15: "", m135: "", adapters: { folder: "", names: [] } };
  if (!["step", "decode", "memory", "serve"].includes(name)) return models;
  await init(wasm());
  const need = name === "serve" ? "the model that is served" : "SmolLM2; random weights serve";
  const file = sharedPath("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", need);
  if (name === "serve") {
    if (file === undefined)
      throw new UsageError("serve: --against needs SmolLM2-135M-Instruct.Q4_1.gguf and its tokenizer");
    const path = join(folder, "adapters");
    return { ...models, m135: file, adapters: { folder: path, names: await adaptersOf(file, path, 8) } };
  }
  models.m135 = file ?? (await writeModel(folder, "m135", "bf16"));
  if (name === "step") models.m15 = await writeModel(folder, "m15", "f32");
  return models;
}

const rounded = (value: number): number => Number(value.toFixed(4));

/**
 * Prints the results of each part for both sides. Returns the ratio of each part with its interval: the other side's
 * value over ours.
 */
function report(name: string, ref: string, own: Parts[], other: Parts[]): Record<string, Interval> {
  const unit = name === "memory" ? "MB" : "ms";
  const scale = name === "memory" ? 1e-6 : 1;
  const column = (rounds: Parts[], part: string) => rounds.map((parts) => parts[part]! * scale);
  const ratios: Record<string, Interval> = {};
  const rows = Object.keys(own[0]!).map((part) => {
    const [here, there] = [column(own, part), column(other, part)];
    const interval = medianInterval(here.map((value, i) => there[i]! / value));
    ratios[part] = interval;
    const side = (values: number[]) => `${median(values).toFixed(2)} ±${statisticsOf(values).rme.toFixed(1)} %`;
    return [part, side(here), side(there), ...[interval.ratio, interval.low, interval.high].map((x) => x.toFixed(3))];
  });
  printTable([`${unit}, median`, "here", ref, "ratio", "low", "high"], rows);
  return ratios;
}

/**
 * Measures a subject on the working tree and on commit `ref`, in alternating processes. The last output line is JSON:
 * the other commit's time (or memory) over ours, so that larger is better. It has the median of the rounds and its 95 %
 * interval. The ratio of a subject with several parts is their geometric mean.
 */
export async function benchAgainst(name: string, ref: string, rounds: number): Promise<void> {
  if (!(name in subjectParts)) {
    throw new UsageError(`${name}: --against is for ${Object.keys(subjectParts).join(", ")}`);
  }
  if (!(Number.isInteger(rounds) && rounds >= leastValues)) {
    throw new UsageError(`--rounds is ${rounds}; give a whole number from ${leastValues} on, which an interval needs`);
  }
  const start = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "lowrank-bench-"));
  try {
    await using other = await checkOutRef(root, ref);
    await compile(root);
    const models = await makeModels(folder, name);
    const sides = [
      { child: await placeChild(root), results: [] as Parts[] },
      { child: await placeChild(other.path), results: [] as Parts[] },
    ] as const;
    let done = 0;
    for (; done < rounds && (done < leastValues || performance.now() - start < budget); done++) {
      // Alternate the order, since the first process of a round may have an advantage or disadvantage.
      for (const side of done % 2 === 0 ? sides : sides.toReversed()) {
        side.results.push(await measureOnce(side.child, name, models));
      }
    }
    const [own, theirs] = [sides[0].results, sides[1].results];
    const short = other.commit.slice(0, 9);
    console.log(`${machine()}; ${done} rounds in turn, one thread, against ${ref} (${short})\n`);
    const parts = report(name, short, own, theirs);
    const whole = medianInterval(
      own.map((round, i) => geometricMean(Object.keys(round).map((part) => theirs[i]![part]! / round[part]!))),
    );
    const [ratio, low, high] = [whole.ratio, whole.low, whole.high].map(rounded);
    const each = Object.fromEntries(Object.entries(parts).map(([part, interval]) => [part, rounded(interval.ratio)]));
    console.log(`\n${JSON.stringify({ [name]: { against: { ref, ratio, low, high, rounds: done, parts: each } } })}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
