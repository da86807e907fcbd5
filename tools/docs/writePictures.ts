// Writes the pictures of the documentation, docs/pictures/*.webp: screenshots of a report of methods and of a training
// of the embedded model, light and dark. Needs Chromium. Run it after a change of the pages.

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePairs } from "@lowrank/nano";
import { photograph } from "./photograph.ts";

const root = join(import.meta.dirname, "..", "..");
const folder = await mkdtemp(join(tmpdir(), "lowrank-pictures-"));
const lowrank = (...words: string[]): void =>
  void execFileSync(process.execPath, [join(root, "packages/lowrank/src/bin.ts"), ...words], {
    cwd: root,
    stdio: "inherit",
  });

try {
  const methods = "full,lora,qlora,dora,ia3,vera,houlsby,prefix";
  lowrank("report", "llama-3.2-1b", "--methods", methods, "--output", join(folder, "methods.html"));
  const pairs = generatePairs({ language: "javascript", split: "train", count: 600, seed: 1 });
  await writeFile(join(folder, "pairs.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
  const data = ["--model", "packages/nano/model", "--data", join(folder, "pairs.jsonl")];
  const rate = ["--lr", "3e-3", "--schedule", "cosine", "--warmup-steps", "20", "--quiet"];
  lowrank("train", ...data, ...rate, "--output", join(folder, "run"));
  await photograph("methods", await readFile(join(folder, "methods.html"), "utf8"), { width: 1000, height: 630 });
  await photograph("training", await readFile(join(folder, "run", "report.html"), "utf8"), {
    width: 1000,
    height: 650,
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
