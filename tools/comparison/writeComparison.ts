// Writes docs/comparison.md and its pictures: all methods on nano at three sizes, and eight on SmolLM2. Runs that an
// earlier call finished are kept in the output folder, and those on nano in docs/comparison.jsonl too, so that a new
// method adds only its own runs. Without these, it needs about two hours of one quiet core. Needs Chromium.
//
//   node tools/comparison/writeComparison.ts [--seeds N] [--output FOLDER] [--smollm2 FILE.gguf] [--data FILE]
//     [--earlier FILE]

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { knownMethods, type Recipe, recipesOf } from "@lowrank/peft";
import { photograph } from "../docs/photograph.ts";
import { type ComparisonPage, comparisonPage } from "./comparisonPage.ts";
import { type ComparedFile, groupRows, withTimes } from "./comparisonRows.ts";

const root = join(import.meta.dirname, "..", "..");
const shared = process.env.LOWRANK_SHARED ?? join(root, "..", "shared");
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "3" },
    output: { type: "string", default: join(root, "demo-output", "comparison") },
    smollm2: {
      type: "string",
      default: join(shared, "models", "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    },
    data: { type: "string", default: join(shared, "data", "instruction-data.json") },
    earlier: { type: "string", default: join(shared, "data", "tinyshakespeare.txt") },
  },
});

/** Runs on nano that were done for the page. */
const stored = join(root, "docs", "comparison.jsonl");
const runFolder = join(values.output, "nano", "runs");
const budgets = [7000, 20_000, 60_000];
/** Recipes that differ from another one in the base model, the scaling or the place of the same adapter. */
const variants = new Set(["qlora", "rslora", "pfeiffer", "parallel"]);
const recipes = Object.values(await knownMethods()).flatMap(recipesOf);
const onNano = ["full", ...recipes.flatMap(({ name }) => (variants.has(name) ? [] : [name]))];
const onSmolLM2 = ["lora", "dora", "adalora", "ia3", "vera", "prefix", "houlsby", "fourierft"];

const nanoWords = ["--methods", onNano.join(","), "--set", "vblora.vector-length=64"];
const trained = ["--seeds", values.seeds, "--steps", "200"];
const atAll = ["--budgets", budgets.join(",")];
await restoreRuns();
const nano = await compare("nano", [...nanoWords, ...atAll, ...trained]);
await storeRuns();
const smollm2 = existsSync(values.smollm2) ? await compare("smollm2", smolWords()) : null;
if (smollm2 === null) console.log(`skipped SmolLM2: there is no file ${values.smollm2}`);
// Last, so that nothing else has to run at the same time.
const times = await compare("nano-times", [
  ...nanoWords,
  ...atAll,
  "--seeds",
  "1",
  "--steps",
  "15",
  "--test-examples",
  "4",
]);

const rows = withTimes(nano.methods, times.methods);
const groups = groupRows(rows, budgets);
// The page of one size, from the runs that exist.
await cp(join(values.output, "nano", "runs"), join(values.output, "nano-middle", "runs"), { recursive: true });
await compare("nano-middle", [...nanoWords, "--budgets", String(budgets[1]), ...trained]);
await photograph("comparison-quality", await pageOf("nano-middle"), {
  width: 700,
  height: "all",
  only: ["Exact match"],
});
if (smollm2) {
  const only = ["Test loss, nats per token", "Peak memory of tensors while training", "Time of a step, ms"];
  await photograph("comparison-smollm2", await pageOf("smollm2"), { width: 1000, height: "all", only });
}
const page: ComparisonPage = {
  groups,
  nano,
  smollm2,
  cpu: cpus()[0].model.replace(/\s+/g, " ").trim(),
  node: process.version,
};
await writeFile(join(root, "docs", "comparison.md"), comparisonPage(page));
console.log("wrote docs/comparison.md; format it with: biome check --write docs/comparison.md");

/** Writes the stored runs into the output folder, as if this machine had done them. */
async function restoreRuns(): Promise<void> {
  if (!existsSync(stored)) return;
  await mkdir(runFolder, { recursive: true });
  for (const line of (await readFile(stored, "utf8")).trim().split("\n")) {
    const { file, outcome } = JSON.parse(line) as { file: string; outcome: object };
    await writeFile(join(runFolder, file), JSON.stringify(outcome));
  }
}

/** Stores all runs of the output folder, one JSON object a line. */
async function storeRuns(): Promise<void> {
  const lines: string[] = [];
  for (const file of (await readdir(runFolder)).sort()) {
    lines.push(JSON.stringify({ file, outcome: JSON.parse(await readFile(join(runFolder, file), "utf8")) }));
  }
  await writeFile(stored, `${lines.join("\n")}\n`);
}

/** Runs `lowrank compare`, or continues an earlier call with the same words, and returns its results. */
async function compare(name: string, words: readonly string[]): Promise<ComparedFile> {
  const folder = join(values.output, name);
  const script = join(root, "packages/lowrank/src/bin.ts");
  execFileSync(process.execPath, [script, "compare", ...words, "--output", folder], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return JSON.parse(await readFile(join(folder, "comparison.json"), "utf8")) as ComparedFile;
}

function smolWords(): string[] {
  const rate = ({ name, learningRate, usualLearningRate = learningRate }: Recipe) => `${name}=${usualLearningRate}`;
  const chosen = recipes.filter(({ name }) => onSmolLM2.includes(name));
  return [
    ...["--model", values.smollm2, "--data", values.data, "--forgetting", values.earlier, "--block-size", "128"],
    ...["--methods", onSmolLM2.join(","), "--lr", chosen.map(rate).join(","), "--r", "8", "--seeds", "1"],
    ...["--steps", "40", "--batch-size", "4", "--test-examples", "16"],
  ];
}

function pageOf(name: string): Promise<string> {
  return readFile(join(values.output, name, "comparison.html"), "utf8");
}
