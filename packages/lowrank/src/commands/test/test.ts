import { stat } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { runSuite, SuiteError, type SuiteReport, toJUnit } from "@lowrank/testing";
import { Command, Option } from "commander";
import {
  activationsOption,
  type LoadedWeights,
  number,
  threadsOption,
  weightsOption,
  wideSimdOption,
} from "../../cli/argument.ts";
import { printJson } from "../../cli/json.ts";
import { backendOption, printAdapter } from "../../cli/loading/backends.ts";
import { checkAdaptersExist } from "../../cli/loading/checkInputs.ts";
import { loadWithTokenizer } from "../../cli/loading/loading.ts";
import { addQuantizeOptions, type QuantizeCommandOptions, quantizeToLoad } from "../../cli/options/quantizeOptions.ts";
import { writeText } from "../../cli/outputs/writeText.ts";
import { EndWith } from "../../cli/process/endWith.ts";
import { quantizedWords } from "../../report/methods.ts";
import { placed, readSuite } from "./readSuite.ts";
import { suitePage } from "./suitePage.ts";
import { suiteText } from "./suiteText.ts";

interface TestCommandOptions extends QuantizeCommandOptions {
  model?: string;
  adapter: string;
  against?: string;
  alpha?: number;
  output?: string[];
  weights: LoadedWeights;
  activations?: "int8";
  backend: string;
  threads: number;
  wideSimd?: boolean;
  json?: boolean;
}

const help = `
The suite is a file in YAML or JSON: prompts with expected answers, limits of the loss on held-out data, of what the
adapter forgets and of how far it drifts from the base model, and checks of loss masks. docs/adapter-tests.md has all
keys. Paths in it are relative to the folder in which you run the command.

Exit codes: 0 if all checks passed, 1 if some failed, 2 if the suite or an option is wrong or a file is missing.

Examples:
  $ lowrank test suite.yaml --model ./model --adapter ./adapter
  $ lowrank test suite.yaml --adapter ./new --against ./old --output junit.xml --output tests.html`;

/** Returns the `lowrank test` command. */
export function testCommand(): Command {
  const command = new Command("test")
    .summary("tests an adapter: answers, loss, forgetting, drift, loss masks; compares two adapters")
    .description("Runs a suite of tests on an adapter. With --against, also compares it with another adapter.")
    .argument("<suite>", "file of the suite: .yaml, .yml or .json")
    .option("--model <path>", "base model (default: the suite's model): a folder, a .gguf file, or hf://org/name")
    .requiredOption("--adapter <dir>", "folder of the PEFT adapter to test, or hf://org/name")
    .option("--against <dir>", "adapter to compare it with; the tests fail if the tested one is significantly worse")
    .option(
      "--alpha <x>",
      "with --against: probability of a false alarm (default: the suite's, or 0.05)",
      number({ above: 0, most: 0.5 }),
    )
    .addOption(
      new Option(
        "--output <file>",
        "file to write the results to; its ending chooses the format: .xml (JUnit), .json, .html, else plain text; may be repeated",
      ).argParser((file: string, files: readonly string[] = []) => [...files, file]),
    )
    .addOption(weightsOption())
    .addOption(activationsOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--json", "print one JSON object");
  return addQuantizeOptions(
    command,
    `quantise linear layers to 4 bits while loading, as for an adapter of ${quantizedWords()}`,
  )
    .addHelpText("after", help)
    .action(testAdapter);
}

async function testAdapter(path: string, options: TestCommandOptions): Promise<void> {
  const { adapter, against, alpha, output = [], json } = options;
  if (alpha !== undefined && against === undefined) throw new Error("--alpha needs --against; add it");
  for (const file of output) await checkOutput(file, path);
  const suite = await readSuite(path);
  const source = options.model ?? suite.model;
  if (source === undefined) throw new Error(`${path}: which model? Give --model, or the key model in the suite`);
  await checkAdaptersExist([adapter, ...(against === undefined ? [] : [against])]);
  const { model, tokenizer, backend } = await loadWithTokenizer(source, {
    ...options,
    quantize: quantizeToLoad(options),
  });
  printAdapter(backend);
  const { stderr } = process;
  const show = (text: string) => void (stderr.isTTY && stderr.write(`\r\x1b[K${text}`));
  const comparison = alpha === undefined ? suite.comparison : { ...suite.comparison, alpha };
  const report = await runSuite(
    { ...suite, comparison },
    { model, tokenizer, adapter, against, onProgress: (part, done, of) => show(`${part}: ${done} of ${of}`) },
  )
    .catch((error) => {
      throw error instanceof SuiteError ? placed(error, path) : error;
    })
    .finally(() => show(""));
  if (json) printJson(report);
  else console.log(suiteText(report, process.stdout).join("\n"));
  for (const file of output) {
    await writeText(file, formatOf(file)(report));
    console.error(`wrote ${file}`);
  }
  if (!report.passed) throw new EndWith(1);
}

const formats: Readonly<Record<string, (report: SuiteReport) => string>> = {
  ".xml": toJUnit,
  ".json": (report) => `${JSON.stringify(report, null, 2)}\n`,
  ".html": suitePage,
  ".htm": suitePage,
  ".txt": (report) => `${suiteText(report, null).join("\n")}\n`,
};

/** Throws for an output that could not be written after the run. */
async function checkOutput(file: string, suite: string): Promise<void> {
  formatOf(file);
  if (resolve(file) === resolve(suite)) throw new Error(`--output ${file} is the suite itself; give another name`);
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) throw new Error(`--output ${file} is a folder; give the name of a file`);
  const folder = await stat(dirname(resolve(file))).catch(() => undefined);
  if (!folder?.isDirectory()) throw new Error(`--output ${file}: there is no folder ${dirname(file)}; create it`);
}

/** Returns the function that formats a report as the file's ending says. Throws for an unknown ending. */
function formatOf(file: string): (report: SuiteReport) => string {
  const format = formats[extname(file).toLowerCase()];
  if (format) return format;
  throw new Error(
    `--output ${file}: the format is unknown; give a name that ends in ${Object.keys(formats).join(", ")}`,
  );
}
