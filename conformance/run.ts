// pnpm conformance [--cases N] [--seed S] [--method M] [words]: adapters go both ways between
// Lowrank and the real PEFT, models in 4 bits between it and bitsandbytes, GGUF files between it
// and gguf-py, and text is generated and chat templates are rendered as by transformers. With
// words, only the checks whose line holds them all.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { readCommandLine } from "./src/commandLine.ts";
import { ensureEnvironment } from "./src/environment.ts";
import { fixedChecks } from "./src/fixedChecks.ts";
import { generationChecks } from "./src/generationChecks.ts";
import { mixedChecks } from "./src/mixedModels.ts";
import { Python } from "./src/python.ts";
import { randomChecks } from "./src/randomChecks.ts";
import { Report } from "./src/report.ts";
import { templateChecks } from "./src/templates/templateChecks.ts";
import { tokenizerChecks } from "./src/tokenizers.ts";

const choice = readCommandLine(process.argv.slice(2));
const report = new Report(choice.words);
const { python: interpreter, skipped } = await ensureEnvironment();
if (interpreter === undefined) {
  report.skip(`conformance with PEFT: ${skipped}`);
} else {
  await init(wasm());
  const folder = await mkdtemp(join(tmpdir(), "lowrank-conformance-"));
  try {
    await using python = await Python.start(interpreter);
    console.log(
      Object.entries(python.versions)
        .map((entry) => entry.join(" "))
        .join(", "),
    );
    if (choice.fixed) await fixedChecks(python, folder, report);
    if (choice.method === undefined) {
      await tokenizerChecks(choice, { python, folder, report });
      await generationChecks(choice, { python, folder, report });
      await templateChecks(choice, { python, report });
    }
    if (choice.method === undefined || choice.method === "mixed") {
      await mixedChecks(choice, { python, folder, report });
    }
    const coverage = await randomChecks(choice, { python, folder, report });
    for (const line of coverage.lines()) console.log(line);
  } finally {
    await rm(folder, { recursive: true });
  }
}
process.exitCode = report.close();
