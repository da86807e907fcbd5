import { extname } from "node:path";
import { type ClassifierConfig, describeModel, type ModelConfig, presetNames } from "@lowrank/models";
import { stackPresetNames } from "@lowrank/models/internal";
import {
  type AdaptableModel,
  type AdapterReport,
  type FloatDType,
  optionsOf,
  type PeftConfig,
  PeftModel,
  type PlannedOptimizer,
  plannedOptimizers,
  reportAdapter,
} from "@lowrank/peft";
import { Command, Option } from "commander";
import { integer, names } from "../../cli/argument.ts";
import { describeTargets } from "../../cli/loading/describeTargets.ts";
import { warn } from "../../cli/loading/loading.ts";
import { findModel, isClassifier } from "../../cli/loading/modelConfig.ts";
import {
  givenAdapterOptions,
  plannedSteps,
  recipeSettings,
  toPeftConfig,
  usualSettings,
} from "../../cli/options/adapterConfig.ts";
import { isSetting } from "../../cli/options/adapterFlags.ts";
import { addAdapterOptions } from "../../cli/options/adapterOptions.ts";
import { readPeftConfig } from "../../cli/options/trainedConfig.ts";
import { writeText } from "../../cli/outputs/writeText.ts";
import { loadModel, loadSequenceClassifier } from "../../load/loadModel.ts";
import { recipeQuantization } from "../../report/comparison/candidates.ts";
import { type CompareMethodsOptions, compareMethods } from "../../report/comparison/compareMethods.ts";
import {
  comparisonColumns,
  sortComparison,
  toCsv,
  toJson,
  toMarkdown,
  toText,
} from "../../report/comparison/comparisonText.ts";
import type { MethodComparison, MethodRow, NamedMethod } from "../../report/comparison/methodComparison.ts";
import { settingsText } from "../../report/comparison/settingsText.ts";
import {
  adapterMethods,
  allMethods,
  defaultMethod,
  findMethod,
  findMethods,
  methodNames,
  namedSettings,
} from "../../report/methods.ts";
import { toHtml } from "../../report/pictures/toHtml.ts";
import { publishedReport } from "../../report/publishedReport.ts";
import { type ReportFormat, reportFormats } from "../../report/reportFormat.ts";
import { shortName } from "../../report/shortName.ts";
import { byteText, digits, whole } from "../../report/table.ts";
import { memorySize, wrapped } from "../plan/plan.ts";

interface ReportCommandOptions {
  method?: string;
  adapter?: string;
  peftConfig?: string[];
  methods?: string[];
  dtype?: FloatDType;
  optimizer: PlannedOptimizer;
  seq?: number;
  batch: number;
  gradientCheckpointing?: boolean;
  memory?: number;
  ranks?: number[];
  format?: ReportFormat;
  sort?: string;
  json?: boolean;
  output?: string;
}

const help = (): string => `
Without options that describe one adapter, methods are compared: trainable parameters, saved bytes, memory of training,
cost of inference. No weights are read: layers, optimiser and a training step run on shapes alone. The length of a file
is the length that PEFT writes.
Each method runs its recipe with rank ${usualSettings.r}, targets ${usualSettings.targetModules} and ${usualSettings.virtualTokens} virtual tokens. Some recipes use other values: IA3 has
its own targets, and the rank of OFT and VeRA differs. --target-modules and --virtual-tokens replace the value in every
method that has the option. --r sets the rank of the recipes that take one, and --ranks compares several.

Methods: ${wrapped(methodNames().join(", "))}.

Presets: ${wrapped([...presetNames(), ...stackPresetNames()].join(", "))}.

Examples:
  $ lowrank report llama-3.2-3b --methods lora,qlora,full --ranks 8,64 --memory 8GB --output report.html
  $ lowrank report ./model --peft-config ./adapter_config.json --json`;

/** Parses `--ranks`: whole numbers of at least 1, separated by commas. */
function rankList(text: string): number[] {
  return names(text).map(integer(1));
}

/** Returns the `lowrank report` command. */
export function reportCommand(): Command {
  const command = new Command("report")
    .summary("compares the sizes and costs of adapter methods, or describes one adapter")
    .description(
      "Compares adapter methods on a model: trainable parameters, file size, memory of training and extra computation of each. Or describes one adapter, planned or saved: its modules and its parameters.",
    )
    .argument("[model]", "a model folder, a config.json, a GGUF file, or the name of a preset")
    .addOption(
      new Option("--adapter <dir>", "folder of a saved PEFT adapter to describe, instead of options").conflicts([
        ...["peftConfig", "method", "methods", "ranks", "dtype", "optimizer", "seq", "batch", "gradientCheckpointing"],
        ...["memory", "format", "sort", "output"],
      ]),
    )
    .addOption(
      new Option(
        "--peft-config <file...>",
        "adapter_config.json of the adapter to describe; several files are compared",
      ).conflicts(["method", "methods"]),
    )
    .addOption(
      new Option("--method <name>", `method of the adapter that is described (default: ${defaultMethod().name})`)
        .choices(adapterMethods().map(({ name }) => name))
        .conflicts(["methods"]),
    )
    .option("--methods <names>", "methods to compare, separated by commas (default: all)", names)
    .addOption(
      new Option("--ranks <list>", "ranks to compare, separated by commas; each method with a rank gets a row for each")
        .argParser(rankList)
        .conflicts(["peftConfig", "method", "r"]),
    )
    .addOption(
      new Option(
        "--dtype <type>",
        "dtype of the base model's weights (default: the dtype in its config, or f32)",
      ).choices(["f32", "f16", "bf16"]),
    )
    .addOption(
      new Option("--optimizer <name>", "optimizer whose state is counted").choices(plannedOptimizers).default("adamw"),
    )
    .option(
      "--seq <n>",
      "sequence length for which operations and memory are counted (default: 512, or half of the model's maximum length)",
      integer(1),
    )
    .option("--batch <n>", "sequences per batch, for the memory of a training step", integer(1), 1)
    .option("--gradient-checkpointing", "count activations that are recomputed in the backward pass")
    .option("--memory <size>", "list whether training fits this much memory, such as 8GB or 6GiB", memorySize)
    .addOption(
      new Option(
        "--format <form>",
        "format of the comparison (default: table, or the one that the ending of --output names)",
      ).choices([...reportFormats]),
    )
    .addOption(
      new Option(
        "--sort <column>",
        "sort the comparison by this column, smallest first (default: order of the methods)",
      ).choices(comparisonColumns),
    )
    .option("--json", "print one JSON object")
    .option(
      "--output <file>",
      "file to write the report to; its ending chooses the format: .md, .json, .csv, .html, else plain text",
    )
    .option(
      "--published",
      "compare trainable parameter counts computed here with those of papers and of PEFT's tables, instead of a report on a model",
    );
  return addAdapterOptions(command).addHelpText("after", help()).action(report);
}

async function report(
  source: string | undefined,
  options: ReportCommandOptions & { published?: boolean },
): Promise<void> {
  if (options.json && options.format !== undefined && options.format !== "json") {
    throw new Error(`--json and --format ${options.format} name two formats; give one of them`);
  }
  const format = options.json ? "json" : (options.format ?? formatOf(options.output));
  if (options.published) return write(await publishedReport(format), options.output);
  if (source === undefined)
    throw new Error("which model? Give a config.json, a model's folder or GGUF file, or a preset");
  for (const key of ["adapter", "peftConfig"] as const) {
    const given = givenAdapterOptions(options);
    if (options[key] === undefined || given.length === 0) continue;
    throw new Error(
      `${key === "adapter" ? "--adapter" : "--peft-config"} already describes the adapter; leave ${given.join(", ")} out`,
    );
  }
  if (options.adapter !== undefined) return reportOnDisk(source, options.adapter, options);

  const described = await describedAdapters(options);
  const classifies = described.some(({ config }) => config.taskType === "SEQ_CLS");
  const { shapes, dtype } = await findModel(source, { classifies });
  if (classifies && ![...shapes.parameters].some(({ name }) => /^(classifier|score)\./.test(name))) {
    const message = `${source} has no head that classifies; for SEQ_CLS, PEFT trains and saves one too, which is not counted here`;
    warn({ code: "missing-head", message });
  }
  const costs = { dtype: options.dtype ?? dtype, optimizer: options.optimizer, sequenceLength: options.seq };
  const planned: CompareMethodsOptions = {
    ...{ ...costs, source: shortName(source), batchSize: options.batch, memory: options.memory },
    gradientCheckpointing: options.gradientCheckpointing,
  };
  if (described.length === 1 && (format === "table" || format === "json")) {
    const [{ config, quantization }] = described;
    const report = await reportAdapter(shapes, config, { ...costs, quantization });
    for (const warning of report.adapter?.warnings ?? []) warn(warning);
    const { rows } = await compareMethods(shapes, described, planned);
    const text =
      format === "json" ? adapterJson(report, costs.dtype, rows[0]) : adapterLines(report, costs.dtype, rows[0]);
    return write(text, options.output);
  }
  const comparison =
    described.length > 0
      ? await compareMethods(shapes, described, planned)
      : await compareMethods(shapes, namesOf(options), { ...planned, ...settingsOf(options) });
  const sorted = options.sort === undefined ? comparison : sortComparison(comparison, options.sort);
  return write(formatComparison(sorted, format), options.output);
}

interface DescribedAdapter extends NamedMethod {
  readonly config: PeftConfig;
  readonly quantization: typeof recipeQuantization | null;
}

/**
 * Returns the adapters that the `--peft-config` files or the adapter options describe. Returns an empty list if the
 * command compares methods instead.
 */
async function describedAdapters(options: ReportCommandOptions): Promise<DescribedAdapter[]> {
  if (options.peftConfig !== undefined) {
    return Promise.all(
      options.peftConfig.map(async (path) => {
        return { name: shortName(path), config: await readPeftConfig(path), quantization: null };
      }),
    );
  }
  if (options.methods !== undefined || options.ranks !== undefined) return [];
  const method = options.method === undefined ? defaultMethod() : findMethod(options.method, adapterMethods());
  const own = optionsOf(method.peft).map(({ flag }) => `--${flag}`);
  const others = givenAdapterOptions(options).filter((flag) => own.includes(flag) || !isSetting(flag.slice(2)));
  if (options.method === undefined && others.length === 0) return [];
  const config = toPeftConfig(method, options, plannedSteps);
  const quantization = method.quantized ? recipeQuantization : null;
  return [{ name: `${method.title} ${await settingsText(config)}`.trimEnd(), config, quantization }];
}

/** Returns the names of the methods to compare. Throws for unknown ones, and for options of a single adapter. */
function namesOf(options: ReportCommandOptions): string[] {
  const others = givenAdapterOptions(options).filter((flag) => !isSetting(flag.slice(2)));
  if (others.length > 0) {
    throw new Error(
      `${others.join(", ")} is for one adapter; leave it out with --methods, or give one method with --method`,
    );
  }
  return (options.methods === undefined ? allMethods() : findMethods(options.methods)).map(({ name }) => name);
}

/** Returns the settings of all methods. Targets and virtual tokens apply to each method only if they were given. */
function settingsOf(options: ReportCommandOptions): CompareMethodsOptions {
  const settings = recipeSettings(options, usualSettings);
  const { targetModules, virtualTokens } = namedSettings(settings, givenAdapterOptions(options));
  return {
    ranks: options.ranks ?? [settings.r],
    ...(targetModules !== undefined && { targets: [targetModules] }),
    ...(virtualTokens !== undefined && { virtualTokens }),
  };
}

const endings: Readonly<Record<string, ReportFormat>> = {
  ".md": "markdown",
  ".json": "json",
  ".csv": "csv",
  ".html": "html",
  ".htm": "html",
};

function formatOf(output: string | undefined): ReportFormat {
  return endings[extname(output ?? "").toLowerCase()] ?? "table";
}

async function write(text: string, output: string | undefined): Promise<void> {
  if (output === undefined) {
    console.log(text);
    return;
  }
  await writeText(output, text.endsWith("\n") ? text : `${text}\n`);
  console.error(`wrote ${output}`);
}

/** Prints the report on an adapter that is saved in a folder. Loads the model with its weights. */
async function reportOnDisk(folder: string, adapter: string, options: ReportCommandOptions): Promise<void> {
  const { model, config } = (await isClassifier(folder))
    ? await loadSequenceClassifier(folder)
    : await loadModel(folder);
  const peft = await PeftModel.fromPretrained<AdaptableModel>(model, adapter, { onWarning: warn });
  const report = await reportAdapter(
    describeModel<ModelConfig | ClassifierConfig>(config),
    peft.peftConfig.get("default") as PeftConfig,
  );
  if (options.json) {
    console.log(adapterJson(report, "f32", null));
    return;
  }
  console.log(describeTargets(peft.targetReport).join("\n"));
  console.log(countLine(report.trainable, report.total));
}

/** Returns the costs of one adapter as JSON. `row` has the memory of a training step; null if none was planned. */
function adapterJson(report: AdapterReport, dtype: FloatDType, row: MethodRow | null): string {
  const { adapter, total, ...costs } = report;
  const { activationBytes, trainingBytes, fits } = row ?? {};
  return JSON.stringify(
    {
      ...{ ...costs, activationBytes, trainingBytes, fits, total, all: total, base: adapter?.base, dtype },
      ...{ ...adapter?.report, warnings: adapter?.warnings },
    },
    null,
    2,
  );
}

function adapterLines(report: AdapterReport, dtype: FloatDType, row: MethodRow): string {
  const { trainable, total, inference, adapter, bytesSaved, mergeable } = report;
  const { flopsPerToken: more, baseFlopsPerToken: own } = inference;
  const flops =
    more === null || own === null ? "" : `, ${whole(more)} FLOPs per token (${digits((100 * more) / own)} %)`;
  return [
    ...describeTargets(adapter?.report ?? null),
    countLine(trainable, total),
    `file: ${whole(bytesSaved)} bytes (${byteText(bytesSaved)}), for a base in ${dtype}`,
    `training: ${byteText(report.bytesTrained)} of trained parameters, ${byteText(report.optimizerBytes)} of optimiser state`,
    ...stepLines(row),
    `inference, unmerged: ${whole(inference.parameters)} parameters${flops} more; ${mergeable ? "merged: nothing more" : "it cannot be merged"}`,
  ].join("\n");
}

/** Returns a line with the memory of a training step. Returns none if the model lacks a loss. */
function stepLines({ trainingBytes, activationBytes, baseBytes, fits }: MethodRow): string[] {
  if (trainingBytes === null || activationBytes === null) return [];
  const parts = `${byteText(baseBytes)} of base and ${byteText(activationBytes)} of activations`;
  const budget = fits === null ? "" : fits ? "; it fits --memory" : "; more than --memory";
  return [`memory of a training step: ${byteText(trainingBytes)}, with ${parts}${budget}`];
}

/** Formats parameter counts as PEFT prints them. */
function countLine(trainable: number, all: number): string {
  const percent = ((100 * trainable) / all).toFixed(4);
  return `trainable params: ${whole(trainable)} || all params: ${whole(all)} || trainable%: ${percent}`;
}

/** Formats a comparison as a table, Markdown, JSON, CSV or HTML. */
function formatComparison(comparison: MethodComparison, format: ReportFormat): string {
  const formats = { table: toText, markdown: toMarkdown, json: toJson, csv: toCsv, html: toHtml };
  return formats[format](comparison);
}
