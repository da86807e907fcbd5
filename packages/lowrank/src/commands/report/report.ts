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
import {
  describeConfig,
  formatReport,
  type ReportedMethod,
  type ReportFormat,
  reportColumns,
  reportedQuantization,
  reportFormats,
  reportMethods,
  sortedReport,
} from "../../report/methodReport.ts";
import {
  adapterMethods,
  allMethods,
  configFor,
  defaultMethod,
  findMethod,
  findMethods,
  methodNames,
  namedSettings,
} from "../../report/methods.ts";
import { publishedReport } from "../../report/publishedReport.ts";
import { shortName } from "../../report/shortName.ts";
import { byteText, digits, whole } from "../../report/table.ts";
import { wrapped } from "../plan/plan.ts";

interface ReportCommandOptions {
  method?: string;
  adapter?: string;
  peftConfig?: string[];
  methods?: string[];
  dtype?: FloatDType;
  optimizer: PlannedOptimizer;
  seq?: number;
  format?: ReportFormat;
  sort?: string;
  json?: boolean;
  output?: string;
}

const help = (): string => `
Without options that describe one adapter, methods are compared: trained parameters, saved bytes, cost of inference. No
weights are read: layers, optimiser and a forward pass are made over shapes. A file's bytes are those that PEFT writes.
Each method runs its recipe with rank ${usualSettings.r}, targets ${usualSettings.targetModules} and ${usualSettings.virtualTokens} virtual tokens. Some recipes use other values: IA3 has
its own targets, and the rank of OFT and VeRA differs. --target-modules and --virtual-tokens replace the value in every
method that has the option. --r sets the rank of the recipes that take one.

Methods: ${wrapped(methodNames().join(", "))}.

Presets: ${wrapped([...presetNames(), ...stackPresetNames()].join(", "))}.

Examples:
  $ lowrank report llama-3.2-3b --methods lora,dora,ia3 --sort trainable --output report.html
  $ lowrank report ./model --peft-config ./adapter_config.json --json`;

/** Returns the `lowrank report` command. */
export function reportCommand(): Command {
  const command = new Command("report")
    .summary("compares the sizes and costs of adapter methods, or describes one adapter")
    .description(
      "Compares adapter methods on a model: trained parameters, file size and extra computation of each. Or describes one adapter, planned or saved: its modules and its parameters.",
    )
    .argument("[model]", "a model folder, a config.json, a GGUF file, or the name of a preset")
    .addOption(
      new Option("--adapter <dir>", "folder of a saved PEFT adapter to describe, instead of options").conflicts([
        ...["peftConfig", "method", "methods", "dtype", "optimizer", "seq", "format", "sort", "output"],
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
      "sequence length for which the cost of a forward pass is counted (default: 512, or half of the model's maximum length)",
      integer(1),
    )
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
      ).choices(reportColumns),
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
  const reckoning = { dtype: options.dtype ?? dtype, optimizer: options.optimizer, sequenceLength: options.seq };
  if (described.length === 1 && (format === "table" || format === "json")) {
    const report = await reportAdapter(shapes, described[0].config, {
      ...reckoning,
      quantization: described[0].quantized ? reportedQuantization : null,
    });
    for (const warning of report.adapter?.warnings ?? []) warn(warning);
    const text = format === "json" ? adapterJson(report, reckoning.dtype) : adapterLines(report, reckoning.dtype);
    return write(text, options.output);
  }
  const compared =
    described.length > 0
      ? described.map(({ name, config, quantized }) => ({ name, quantized, config: () => config }))
      : fromNames(options);
  const report = await reportMethods(shortName(source), shapes, compared, {
    ...reckoning,
    settings: described.length > 0 ? null : recipeSettings(options, usualSettings),
  });
  return write(formatReport(sortedReport(report, options.sort ?? null), format), options.output);
}

interface DescribedAdapter {
  name: string;
  config: PeftConfig;
  quantized?: boolean;
}

/**
 * Returns the adapters that the `--peft-config` files or the adapter options describe. Returns an empty list if the
 * command compares methods instead.
 */
async function describedAdapters(options: ReportCommandOptions): Promise<DescribedAdapter[]> {
  if (options.peftConfig !== undefined) {
    return Promise.all(
      options.peftConfig.map(async (path) => ({ name: shortName(path), config: await readPeftConfig(path) })),
    );
  }
  if (options.methods !== undefined) return [];
  const method = options.method === undefined ? defaultMethod() : findMethod(options.method, adapterMethods());
  const own = optionsOf(method.peft).map(({ flag }) => `--${flag}`);
  const others = givenAdapterOptions(options).filter((flag) => own.includes(flag) || !isSetting(flag.slice(2)));
  if (options.method === undefined && others.length === 0) return [];
  const config = toPeftConfig(method, options, plannedSteps);
  return [{ name: `${method.title} ${await describeConfig(config)}`.trimEnd(), config, quantized: method.quantized }];
}

function fromNames(options: ReportCommandOptions): ReportedMethod[] {
  const others = givenAdapterOptions(options).filter((flag) => !isSetting(flag.slice(2)));
  if (others.length > 0) {
    throw new Error(
      `${others.join(", ")} is for one adapter; leave it out with --methods, or give one method with --method`,
    );
  }
  const settings = recipeSettings(options, usualSettings);
  const chosen = options.methods === undefined ? allMethods() : findMethods(options.methods);
  const named = namedSettings(settings, givenAdapterOptions(options));
  return chosen.map((method) => ({
    name: method.title,
    quantized: method.quantized,
    config: () => configFor(method, settings, named),
  }));
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
    console.log(adapterJson(report, "f32"));
    return;
  }
  console.log(describeTargets(peft.targetReport).join("\n"));
  console.log(countLine(report.trainable, report.total));
}

function adapterJson(report: AdapterReport, dtype: FloatDType): string {
  const { adapter, total, ...costs } = report;
  return JSON.stringify(
    { ...costs, total, all: total, base: adapter?.base, dtype, ...adapter?.report, warnings: adapter?.warnings },
    null,
    2,
  );
}

function adapterLines(report: AdapterReport, dtype: FloatDType): string {
  const { trainable, total, inference, adapter, bytesSaved, mergeable } = report;
  const { flopsPerToken: more, baseFlopsPerToken: own } = inference;
  const flops = more === null || own === null ? "" : `, ${whole(more)} FLOPs a token (${digits((100 * more) / own)} %)`;
  return [
    ...describeTargets(adapter?.report ?? null),
    countLine(trainable, total),
    `file: ${whole(bytesSaved)} bytes (${byteText(bytesSaved)}), for a base in ${dtype}`,
    `training: ${byteText(report.bytesTrained)} that train, ${byteText(report.optimizerBytes)} of optimiser state`,
    `inference: ${whole(inference.parameters)} numbers${flops} more; ${mergeable ? "nothing once merged" : "it cannot be merged"}`,
  ].join("\n");
}

/** Formats parameter counts as PEFT prints them. */
function countLine(trainable: number, all: number): string {
  const percent = ((100 * trainable) / all).toFixed(4);
  return `trainable params: ${whole(trainable)} || all params: ${whole(all)} || trainable%: ${percent}`;
}
