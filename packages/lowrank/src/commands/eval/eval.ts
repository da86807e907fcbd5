import { chatEnds } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { Command, Option } from "commander";
import {
  activationsOption,
  integer,
  type LoadedWeights,
  threadsOption,
  weightsOption,
  wideSimdOption,
} from "../../cli/argument.ts";
import { printJson } from "../../cli/json.ts";
import { backendOption, flagOf, printAdapter } from "../../cli/loading/backends.ts";
import { checkAdaptersExist } from "../../cli/loading/checkInputs.ts";
import { loadWithTokenizer, warn } from "../../cli/loading/loading.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";
import { addQuantizeOptions, type QuantizeCommandOptions, quantizeToLoad } from "../../cli/options/quantizeOptions.ts";
import { writeText } from "../../cli/outputs/writeText.ts";
import { quantizedWords } from "../../report/methods.ts";
import { shortName } from "../../report/shortName.ts";
import { type Column, textTable } from "../../report/table.ts";
import type { EvalTask, Metric, TaskOptions, TaskResult } from "./evalTask.ts";
import { exactMatchTask } from "./exactMatchTask.ts";
import { gsm8kTask } from "./gsm8kTask.ts";
import { multipleChoiceTask } from "./multipleChoiceTask.ts";
import { perplexityTask } from "./perplexityTask.ts";

interface EvalCommandOptions extends QuantizeCommandOptions, TaskOptions {
  model: string;
  adapter?: string[];
  task: string;
  data: string;
  output?: string;
  weights: LoadedWeights;
  activations?: "int8";
  backend: string;
  threads: number;
  wideSimd?: boolean;
  json?: boolean;
}

const tasks: readonly EvalTask[] = [exactMatchTask, multipleChoiceTask, perplexityTask, gsm8kTask];

/** Options with a default value. They are always set, so they do not count as given by the user. */
const always: readonly string[] = ["batchSize"];

const help = `
Tasks:
${tasks.map(({ name, help }) => `  ${name.padEnd(16)} ${help}`).join("\n")}

The base model and each --adapter are measured on the same questions. Answers are greedy.

Examples:
  $ lowrank eval ./model --adapter ./adapter --task exact-match --data test.jsonl --output results.json
  $ lowrank eval ./model --task perplexity --data book.txt --stride 256
  $ lowrank eval ./model --task gsm8k --data gsm8k_test.jsonl --limit 50 --num-fewshot 0 --chat`;

/** Returns the `lowrank eval` command. */
export function evalCommand(): Command {
  const command = addModelOption(new Command("eval"))
    .summary("measures a model and adapters: exact match, multiple choice, perplexity, GSM8K")
    .description(
      "Measures a model and its adapters side by side on a file of questions or texts, as lm-evaluation-harness does.",
    )
    .addOption(
      new Option("--adapter <dir>", "folder of a PEFT adapter, or hf://org/name; may be repeated").argParser(
        (dir: string, dirs: readonly string[] = []) => [...dirs, dir],
      ),
    )
    .addOption(
      new Option("--task <name>", "what to measure").choices(tasks.map(({ name }) => name)).makeOptionMandatory(),
    )
    .requiredOption("--data <file>", "questions or texts: JSONL, JSON, or text for perplexity")
    .option("--limit <n>", "evaluate only the first n records", integer(1))
    .option("--batch-size <n>", "prompts per batch", integer(1), 8)
    .option("--max-new-tokens <n>", "maximum number of tokens of an answer", integer(1))
    .addOption(
      new Option("--stop <text>", "stop string: answers end before this text; may be repeated").argParser(
        (text: string, texts: readonly string[] = []) => [...texts, text.replaceAll("\\n", "\n")],
      ),
    )
    .option("--chat", "apply the model's chat template to each prompt")
    .option("--system <text>", "with --chat: system message")
    .option(
      "--num-fewshot <n>",
      "gsm8k: solved problems that precede each problem in the prompt (default: 5)",
      integer(0),
    )
    .option(
      "--fewshot-data <file>",
      "file of the solved problems for --num-fewshot (default: the first records of --data, which are then not evaluated)",
    )
    .option(
      "--max-length <n>",
      "perplexity: tokens per window (default: 1024, or the model's maximum length)",
      integer(2),
    )
    .option(
      "--stride <n>",
      "perplexity: tokens between the starts of two windows (default: half of --max-length)",
      integer(1),
    )
    .option("--output <file>", "JSON file to write all answers and results to")
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
    .action((_, options) => evaluateModel(options));
}

/**
 * Measurements of one model, and the model's name in the output. The model is the base model, or the base model with an
 * adapter.
 */
interface Measured extends TaskResult {
  readonly name: string;
}

async function evaluateModel(options: EvalCommandOptions): Promise<void> {
  const task = tasks.find(({ name }) => name === options.task) as EvalTask;
  checkTaskOptions(task, options);
  const measure = await task.read(options.data, options);
  await checkAdaptersExist(options.adapter ?? []);
  const { model, tokenizer, backend } = await loadWithTokenizer(options.model, {
    ...options,
    quantize: quantizeToLoad(options),
  });
  printAdapter(backend);
  const eosTokenIds = options.chat
    ? await chatEnds(model, tokenizer)
    : [...new Set([...(model.generationConfig?.eosTokenIds ?? []), tokenizer.eosTokenId ?? []].flat())];
  const peft = new PeftModel(model, warn);
  const found: Measured[] = [];
  const run = async (name: string) => {
    const { onProgress, end } = progress(name);
    found.push({ name, ...(await measure({ model, tokenizer, eosTokenIds, onProgress }).finally(end)) });
  };
  if (options.maxNewTokens !== undefined && options.maxNewTokens >= model.maxPositions) {
    throw new Error(
      `--max-new-tokens ${options.maxNewTokens} leaves no room for a prompt in the model's ${model.maxPositions} positions; lower it`,
    );
  }
  if (options.maxLength !== undefined && options.maxLength > model.maxPositions) {
    throw new Error(`--max-length ${options.maxLength} exceeds the model's ${model.maxPositions} positions`);
  }
  await run("base");
  for (const [i, adapter] of (options.adapter ?? []).entries()) {
    await peft.loadAdapter(adapter, `adapter${i}`);
    peft.setAdapter(`adapter${i}`);
    // Two folders may have the same name.
    const short = shortName(adapter);
    await run(found.some(({ name }) => name === short) ? adapter : short);
    peft.deleteAdapter(`adapter${i}`);
  }
  await report(found, options);
}

/** Throws for options that the task does not use. */
function checkTaskOptions({ name, options: own }: EvalTask, options: EvalCommandOptions): void {
  const all = tasks.flatMap((task) => task.options);
  const foreign = all.find((key) => options[key] !== undefined && !own.includes(key) && !always.includes(key));
  if (foreign !== undefined) {
    const takers = tasks.filter((task) => task.options.includes(foreign)).map((task) => task.name);
    throw new Error(`${flagOf(foreign)} is for --task ${takers.join(" and ")}; leave it out with ${name}`);
  }
  if (options.system !== undefined && !options.chat) throw new Error("--system needs --chat; add it");
}

/** Shows the progress of a task on a terminal. */
function progress(name: string): { onProgress: (done: number, of: number) => void; end: () => void } {
  const { stderr } = process;
  const say = (text: string) => void (stderr.isTTY && stderr.write(`\r\x1b[K${text}`));
  return { onProgress: (done, of) => say(`${name}: ${done} of ${of}`), end: () => say("") };
}

async function report(found: readonly Measured[], { model, task, data, output, json, ...rest }: EvalCommandOptions) {
  const settings = Object.fromEntries(
    tasks
      .find(({ name }) => name === task)!
      .options.filter((key) => rest[key] !== undefined)
      .map((key) => [key, rest[key]]),
  );
  const results = Object.fromEntries(found.map(({ name, metrics }) => [name, numbersOf(metrics)]));
  const { samples } = found[0];
  const summary = { task, model, data, questions: samples.length, settings, results };
  if (output !== undefined) {
    const all = Object.fromEntries(found.map(({ name, samples }) => [name, samples]));
    await writeText(output, `${JSON.stringify({ ...summary, samples: all }, null, 2)}\n`);
    console.error(`wrote ${output}`);
  }
  if (json) printJson(summary);
  else console.log(table(found, summary).join("\n"));
}

const numbersOf = (metrics: readonly Metric[]) =>
  Object.fromEntries(metrics.map(({ name, value, standardError }) => [name, { value, standardError }]));

function table(found: readonly Measured[], { task, model, data, questions }: { [key: string]: unknown }): string[] {
  const columns: Column<Metric>[] = [
    { title: "", key: "metric", value: ({ name }) => name },
    ...found.map(({ name, metrics }): Column<Metric> => {
      const of = (metric: Metric) => metrics.find((other) => other.name === metric.name) as Metric;
      return { title: name, key: name, value: (metric) => shown(of(metric)) };
    }),
  ];
  const count = task === "perplexity" ? "" : `, ${questions} questions`;
  return [
    `${task} of ${shortName(String(model))} on ${shortName(String(data))}${count}`,
    "",
    ...textTable(columns, found[0].metrics),
  ];
}

function shown({ value, standardError }: Metric): string {
  return standardError === null ? value.toFixed(4) : `${value.toFixed(4)} ±${standardError.toFixed(4)}`;
}
