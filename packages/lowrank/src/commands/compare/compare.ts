import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { MatmulPrecision } from "@lowrank/core";
import { Command, InvalidArgumentError, Option } from "commander";
import { integer, integers, names, number, targetModules, threadsOption } from "../../cli/argument.ts";
import { printJson } from "../../cli/json.ts";
import { backendOption, startBackend } from "../../cli/loading/backends.ts";
import { checkFilesExist } from "../../cli/loading/checkInputs.ts";
import { findModelConfig } from "../../cli/loading/modelConfig.ts";
import { precisionOption } from "../../cli/options/trainerFlags.ts";
import { writeText } from "../../cli/outputs/writeText.ts";
import { fitBudget } from "../../compare/fitBudget.ts";
import { type Job, type JobData, jobName, type Outcome } from "../../compare/job.ts";
import { type ChosenSize, jobConfig, type SetOptions } from "../../compare/jobConfig.ts";
import { loadNano } from "../../compare/loadNano.ts";
import { allMethods, findMethods, type Method, methodNames, type NamedSettings } from "../../report/methods.ts";
import { formatSeconds } from "../../report/table.ts";
import { wrapped } from "../plan/plan.ts";
import { compareOutcomes } from "./comparison.ts";
import { type RunJobsOptions, runJobs } from "./runJobs.ts";
import type { QueuePlace } from "./runQueued.ts";

interface CompareCommandOptions {
  model?: string;
  data?: string[];
  validation?: string;
  validationFraction: number;
  blockSize?: number;
  methods: string[];
  seeds: number;
  steps: number;
  batchSize: number;
  r: number;
  targetModules: string | string[];
  virtualTokens: number;
  lr?: Map<string, number>;
  budgets?: number[];
  set?: Map<string, SetOptions>;
  forgetting?: string;
  precision?: MatmulPrecision;
  trainExamples: number;
  testExamples: number;
  backend: string;
  threads: number;
  output?: string;
  queue?: string;
  store?: string;
  json?: boolean;
}

const help = (): string => `
Each run has its own process, so that its peak memory belongs to one method. Without --model and --data, the embedded
model (npm install @lowrank/nano), which was trained on Python, learns to answer in JavaScript. With --output, results are kept after each run: the same command
goes on where it was stopped. With --queue and --store the workers of a queue run it (lowrank worker).

Methods: ${wrapped(methodNames().join(", "))}.

Examples:
  $ lowrank compare --output ./comparison
  $ lowrank compare --model ./model --data pairs.jsonl --methods lora,dora,ia3 --lr lora=1e-4,ia3=3e-3 --steps 200`;

/** Returns the `lowrank compare` command. */
export function compareCommand(plugins: readonly string[]): Command {
  const common = allMethods().flatMap(({ name, common }) => (common ? [name] : []));
  return new Command("compare")
    .summary("trains adapter methods side by side and compares memory, time and quality")
    .description(
      "Trains each adapter method on the same model and data, with equal steps and several seeds, and reports memory, time and quality.",
    )
    .option(
      "--model <path>",
      "folder of the model, or a .gguf file (default: a tiny model that is part of this program)",
    )
    .option("--data <file...>", "files to train on, as for lowrank train (default: the task of the embedded model)")
    .addOption(new Option("--validation <file>", "file of examples to evaluate on").conflicts("validationFraction"))
    .option(
      "--validation-fraction <x>",
      "without --validation: fraction of the data, from its end, that is evaluated",
      number({ above: 0, most: 0.9 }),
      0.1,
    )
    .option(
      "--block-size <n>",
      "tokens per block that a text is cut into (default: 256, or the model's maximum length if that is less)",
      integer(2),
    )
    .option("--methods <names>", "methods to compare, separated by commas", names, common)
    .option("--seeds <n>", "runs per method, each with another seed", integer(1), 3)
    .option("--steps <n>", "optimizer steps per run", integer(1), 300)
    .option("--batch-size <n>", "examples per optimizer step", integer(1), 8)
    .option("--r <n>", "rank of all methods that have a rank", integer(1), 16)
    .option(
      "--target-modules <which>",
      "target modules of all methods that have targets, as for lowrank train",
      targetModules,
      "all-linear",
    )
    .option("--virtual-tokens <n>", "virtual tokens of the prompt methods", integer(1), 20)
    .option(
      "--lr <pairs>",
      "peak learning rate of each method, such as lora=1e-3,ia3=1e-2 (default: rates that suit small models)",
      rates,
    )
    .option(
      "--budgets <n,n>",
      "numbers of trained parameters: each method with a size option runs once for each, with the nearest size",
      integers(1),
    )
    .option("--set <pairs>", "other options of methods, such as houlsby.reduction-factor=8,lora.dropout=0.1", settings)
    .option(
      "--forgetting <file>",
      "examples of an earlier task: the change of the loss on them is reported (default: the embedded model's Python)",
    )
    .addOption(precisionOption())
    .option(
      "--train-examples <n>",
      "maximum number of training examples for the task of the embedded model",
      integer(1),
      600,
    )
    .option("--test-examples <n>", "most examples that a run is evaluated on", integer(1), 200)
    .addOption(backendOption())
    .addOption(threadsOption())
    .option(
      "--queue <url>",
      "send the runs to the workers of this Redis queue, as redis://host:port; needs --store, --model and --data",
    )
    .option("--store <place>", "with --queue: store that the workers use, a folder or s3://bucket/prefix")
    .option("--output <dir>", "folder for the tables, the HTML page with charts, and the results of each run")
    .option("--json", "print one JSON object")
    .addHelpText("after", help())
    .action((options: CompareCommandOptions, command: Command) => {
      const named = (["targetModules", "virtualTokens"] as const).filter(
        (setting) => command.getOptionValueSource(setting) === "cli",
      );
      return compare(options, named, plugins);
    });
}

/** Parses `--lr`: learning rates by method, such as "lora=1e-3,dora=1e-4". */
function rates(text: string): Map<string, number> {
  return new Map(
    names(text).map((pair) => {
      const [name, value, ...rest] = pair.split("=");
      const rate = Number(value);
      if (value && rest.length === 0 && rate > 0 && Number.isFinite(rate)) return [name, rate] as const;
      throw new InvalidArgumentError("Expected pairs of a method and a number above 0, such as lora=1e-3.");
    }),
  );
}

/** Parses `--set`: options by method, such as "lora.dropout=0.1,houlsby.reduction-factor=8". */
function settings(text: string): Map<string, SetOptions> {
  const found = new Map<string, SetOptions>();
  for (const pair of names(text)) {
    const [, name, flag, value] = /^([^.=]+)\.([^=]+)=(.+)$/.exec(pair) ?? [];
    if (value === undefined) {
      throw new InvalidArgumentError("Expected method.option=value, such as houlsby.reduction-factor=8.");
    }
    found.set(name, { ...found.get(name), [flag]: value });
  }
  return found;
}

async function compare(
  options: CompareCommandOptions,
  named: NonNullable<Job["named"]>,
  plugins: readonly string[],
): Promise<void> {
  const { output, lr = new Map<string, number>(), forgetting } = options;
  const place = queuePlace(options);
  const chosen = findMethods(options.methods);
  for (const [flag, pairs] of Object.entries({ lr, set: options.set ?? new Map<string, SetOptions>() })) {
    const unused = [...pairs.keys()].filter((name) => !options.methods.includes(name));
    if (unused.length > 0) {
      throw new Error(`--${flag} names ${unused.join(", ")}, which --methods lacks; add it to --methods`);
    }
  }
  if (output !== undefined) await checkFolder(output);
  const data = dataOf(options);
  if (options.model !== undefined) await findModelConfig(options.model);
  if (data.kind === "task") await loadNano();
  if (data.kind === "task" && forgetting !== undefined) {
    throw new Error("--forgetting needs --model and --data: the built-in task has its own earlier examples");
  }
  if (data.kind === "files") await checkFilesExist([...data.data, data.validation ?? [], forgetting ?? []].flat());
  // Starts the backend once, so that a missing backend fails here and not in each run's process.
  if (options.queue === undefined) await startBackend(options.backend, { threads: options.threads });
  const sized = await sizesOf(chosen, options, namedValues(options, named));
  const jobs = Array.from({ length: options.seeds }, (_, seed) =>
    sized.map(({ method: { name, learningRate }, size }): Job => {
      const { r, targetModules, virtualTokens, steps, batchSize, testExamples } = options;
      const { backend, threads, precision } = options;
      const sizes = { r, targetModules, virtualTokens, steps, batchSize };
      return {
        model: options.model ?? null,
        data,
        method: name,
        seed,
        ...sizes,
        ...(named.length > 0 && { named }),
        ...(size && { size }),
        ...(options.set?.has(name) && { set: options.set.get(name) }),
        ...(forgetting !== undefined && { forgetting }),
        learningRate: lr.get(name) ?? learningRate,
        testExamples,
        backend,
        threads,
        precision,
      };
    }),
  ).flat();
  const running = { folder: output ?? null, plugins, ...progress(jobs.length) };
  const outcomes = await (place ? runElsewhere(jobs, place, running) : runJobs(jobs, running));
  const found = compareOutcomes(outcomes);
  if (output !== undefined) {
    const files = {
      "comparison.md": found.markdown,
      "comparison.csv": found.csv,
      "comparison.json": found.json,
      "comparison.html": found.html,
    };
    for (const [name, text] of Object.entries(files)) await writeText(join(output, name), `${text.trimEnd()}\n`);
    console.error(`wrote ${Object.keys(files).join(", ")} to ${output}`);
  }
  if (options.json) printJson(JSON.parse(found.json));
  else console.log(found.text);
  if (outcomes.every((outcome) => "error" in outcome)) throw new Error("no run succeeded; see the errors above");
}

const namedValues = (options: CompareCommandOptions, named: NonNullable<Job["named"]>) =>
  Object.fromEntries(named.map((setting) => [setting, options[setting]]));

/** A method, with the size that was chosen for one of the budgets. */
interface SizedMethod {
  readonly method: Method;
  readonly size?: ChosenSize;
}

/**
 * Returns each method once, or with `--budgets` once for each budget, with the nearest size. A size that is nearest to
 * several budgets is returned once. Prints a warning for each budget that a method cannot reach. A method that reaches
 * none, or has no size option, keeps its own size.
 */
async function sizesOf(
  methods: readonly Method[],
  options: CompareCommandOptions,
  named: NamedSettings,
): Promise<SizedMethod[]> {
  const { budgets = [] } = options;
  const model = await findModelConfig(options.model ?? fileURLToPath((await loadNano()).nanoModelFolder));
  const found: SizedMethod[] = [];
  for (const method of methods) {
    const set = options.set?.get(method.name);
    if (set !== undefined) jobConfig(method, options, named, undefined, set);
    const sizes: ChosenSize[] = [];
    for (const budget of budgets) {
      try {
        const fitted = await fitBudget(method, options, named, model, budget, set);
        if (fitted && sizes.every(({ value }) => value !== fitted.value))
          sizes.push({ flag: fitted.flag, value: fitted.value });
      } catch (error) {
        console.error(`warning: ${(error as Error).message}`);
      }
    }
    if (sizes.length === 0) found.push({ method });
    else found.push(...sizes.map((size) => ({ method, size })));
  }
  return found;
}

/** Returns the queue and store that options name; null if the runs are child processes. */
function queuePlace({ queue, store, model, data }: CompareCommandOptions): QueuePlace | null {
  const given = Object.entries({ queue, store }).filter(([, value]) => value !== undefined);
  if (given.length === 0) return null;
  const missing = Object.entries({ queue, store, model, data }).find(([, value]) => value === undefined);
  if (missing)
    throw new Error(`--${given[0][0]} needs --${missing[0]} too; give both, or leave --queue and --store out`);
  return { queue: queue as string, store: store as string };
}

async function runElsewhere(jobs: readonly Job[], place: QueuePlace, options: RunJobsOptions): Promise<Outcome[]> {
  const { runQueued } = await import("./runQueued.ts");
  return runQueued(jobs as readonly (Job & { model: string })[], place, options);
}

function dataOf({
  model,
  data,
  validation,
  validationFraction,
  blockSize,
  trainExamples,
}: CompareCommandOptions): JobData {
  if (data !== undefined) return { kind: "files", data, validation, validationFraction, blockSize };
  if (model === undefined) return { kind: "task", trainExamples };
  throw new Error("--model needs --data: the built-in task works only with the built-in model");
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found && !found.isDirectory()) throw new Error(`--output ${folder} is a file; give a folder`);
}

/**
 * Returns callbacks that report progress on stderr: one line for each finished run and, on a terminal, the step and
 * loss of the current run.
 */
function progress(count: number): Pick<RunJobsOptions, "step" | "done"> {
  const { stderr } = process;
  const begin = performance.now();
  let ran = 0;
  const clear = () => void (stderr.isTTY && stderr.write("\r\x1b[K"));
  return {
    step: (job, { step, of, loss }) => {
      if (stderr.isTTY) stderr.write(`\r\x1b[K${jobName(job)}: step ${step} of ${of}, loss ${loss.toFixed(4)}`);
    },
    done: (outcome, number, kept) => {
      clear();
      if (!kept) ran++;
      const left = ran > 0 ? ((performance.now() - begin) / 1000 / ran) * (count - number) : 0;
      const time = left > 0 ? ` | about ${formatSeconds(left)} left` : "";
      console.error(`[${number}/${count}] ${jobName(outcome.job)}: ${said(outcome)}${kept ? " (kept)" : ""}${time}`);
    },
  };
}

function said(outcome: Outcome): string {
  if ("error" in outcome) return `failed: ${outcome.error}`;
  const { loss, exactMatch, stepMilliseconds } = outcome.measured;
  const right = exactMatch === null ? "" : `, ${(100 * exactMatch).toFixed(1)} % right`;
  return `loss ${loss.toFixed(4)}${right}, ${stepMilliseconds.toFixed(0)} ms a step`;
}
