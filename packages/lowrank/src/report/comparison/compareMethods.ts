import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import {
  type AdapterReport,
  type FloatDType,
  type ModelShapes,
  type PeftConfig,
  type PlannedOptimizer,
  type PlanOptions,
  reportAdapter,
} from "@lowrank/peft";
import { planTraining } from "@lowrank/peft/internal";
import { type Candidate, candidatesOf, defaultSettings } from "./candidates.ts";
import { type ComparedModel, describeValue, shapesOf } from "./comparedModel.ts";
import type {
  ComparedMethod,
  ComparedQuantization,
  FailedMethod,
  MethodComparison,
  MethodRow,
  Targets,
} from "./methodComparison.ts";
import { type PlannedLoss, plannedLoss } from "./plannedLoss.ts";
import { settingsText } from "./settingsText.ts";

/** Options of `compareMethods`. */
export interface CompareMethodsOptions {
  /**
   * Ranks of all methods that have one; each gets a row. Default: configurations keep their rank, and named methods and
   * functions have rank 8.
   */
  ranks?: readonly number[];
  /**
   * Target modules of all methods that have targets; each gets a row. An entry is a list of names, "all-linear", or a
   * regular expression. Default: configurations keep theirs, and named methods adapt all linear layers, except for
   * methods with other default targets.
   */
  targets?: readonly Targets[];
  /**
   * Quantisation of the base model, or several, which each get a row: "nf4", "fp4", the options of `quantize`, or null
   * for none. Methods with their own quantisation, such as "qlora", ignore it. Default: null.
   */
  quantization?: ComparedQuantization | readonly ComparedQuantization[];
  /** Virtual tokens of prompt methods. Default: configurations keep theirs, and named methods have 20. */
  virtualTokens?: number;
  /** Dtype of the base model. Default: the dtype of a loaded model or of its config, otherwise "f32". */
  dtype?: FloatDType;
  /** Optimiser whose state is counted, with default settings. Default: "adamw". */
  optimizer?: PlannedOptimizer;
  /** Sequences in a batch. Default: 1. Not for modules that `describeModule` describes with their own inputs. */
  batchSize?: number;
  /** Tokens in a sequence. Default: 512, or half of the model's maximum length if that is smaller. */
  sequenceLength?: number;
  /** True if transformer blocks recompute their activations in the backward pass. Default: false. */
  gradientCheckpointing?: boolean;
  /** Memory budget in bytes, for `fits`. Default: none. */
  memory?: number;
  /** The model's name. Default: the preset's name, the model type, or the class of a module. */
  source?: string;
}

/**
 * Compares what fine-tuning methods cost on a model: trainable parameters, bytes, memory of a training step, operations
 * and memory of inference. The model needs no weights: layers, optimiser, forward and backward pass run with shapes
 * only, and the results equal a real run's. There is a row for each method with each rank, targets and quantisation.
 * Methods without a rank or targets are not repeated for them. Methods that do not fit the model are listed in `failed`
 * with the error.
 *
 * `model` is a preset's name, a config, shapes from `describeModel` or `describeModule`, a loaded model, or your own
 * module. A loaded model or module stays unchanged.
 *
 * Throws `OptionError` for unknown methods, models and options.
 *
 * @example
 * ```ts
 * const comparison = await compareMethods("llama-3.2-1b", ["lora", "dora", new IA3Config(), null], {
 *   ranks: [8, 16],
 *   quantization: [null, "nf4"],
 *   memory: 8e9,
 * });
 * for (const { name, rank, trainable, fits } of comparison.rows) console.log(name, rank, trainable, fits);
 * console.log(toMarkdown(comparison));
 * ```
 */
export async function compareMethods(
  model: ComparedModel,
  configs: readonly ComparedMethod[],
  options: CompareMethodsOptions = {},
): Promise<MethodComparison> {
  return (await comparedRows("compareMethods", model, configs, options)).comparison;
}

/** A candidate whose configuration fits the model. */
interface Fitting extends Candidate {
  readonly config: PeftConfig | null;
}

/** Compares methods. Also returns the candidates of the rows, in the same order. `where` names the public function. */
export async function comparedRows(
  where: string,
  model: ComparedModel,
  configs: readonly ComparedMethod[],
  options: CompareMethodsOptions,
): Promise<{ comparison: MethodComparison; candidates: readonly Fitting[] }> {
  checkOptions(where, options, {
    ...({ ranks: true, targets: true, quantization: true, virtualTokens: true, dtype: true, optimizer: true } as const),
    ...({ batchSize: true, sequenceLength: true, gradientCheckpointing: true, memory: true, source: true } as const),
  });
  checkLists(where, { configs, ranks: options.ranks, targets: options.targets });
  checkCounts(where, options);
  const found = await shapesOf(model);
  const { dtype = found.dtype ?? "f32", optimizer = "adamw", memory = null, source = found.source } = options;
  const { ranks, targets, virtualTokens, quantization = null } = options;
  const quantizations = [quantization].flat();
  const candidates = await candidatesOf(configs, { ranks, targets, virtualTokens, quantizations });
  const { shapes } = found;
  const loss = plannedLoss(shapes);
  const planned = { ...options, dtype, optimizer, memory };
  const rows: MethodRow[] = [];
  const failed: FailedMethod[] = [];
  const fitting: Fitting[] = [];
  let sequenceLength = 0;
  for (const candidate of candidates) {
    try {
      const { row, tokens } = await rowOf(shapes, candidate, loss, planned);
      rows.push(row);
      fitting.push(candidate as Fitting);
      sequenceLength = tokens;
    } catch (error) {
      // The sequence is too long for the model, and so for every method.
      if (error instanceof OptionError && error.where === "reportAdapter") throw error;
      failed.push(failure(candidate, error as Error));
    }
  }
  const named = configs.some((config) => typeof (isNamed(config) ? config.config : config) === "string");
  const comparison = {
    ...{ source, modelType: shapes.modelType, dtype, optimizer, memory },
    baseParameters: shapes.parameters.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0),
    batchSize: shapes.example?.rows ?? options.batchSize ?? 1,
    sequenceLength: shapes.example ? 1 : sequenceLength,
    settings: named ? sharedSettings(options) : null,
    rows,
    failed,
  };
  return { comparison, candidates: fitting };
}

const isNamed = (method: ComparedMethod): method is Extract<ComparedMethod, { config: unknown }> =>
  typeof method === "object" && method !== null && "config" in method;

/** Contents of the lists that a caller gives, and an example of each, for messages. */
const lists = {
  configs: ["methods", '["lora", "full"]'],
  ranks: ["ranks", "[8, 16]"],
  targets: ["targets, each for a row of its own", '["all-linear", ["q_proj", "v_proj"]]'],
} as const;

/** Throws for a value that is no list, and for a list without entries. Ranks and targets can be undefined. */
function checkLists(where: string, given: Readonly<Record<keyof typeof lists, unknown>>): void {
  for (const [name, list] of Object.entries(given) as [keyof typeof lists, unknown][]) {
    if (list === undefined && name !== "configs") continue;
    const [what, example] = lists[name];
    if (!Array.isArray(list)) {
      const problem = `is ${describeValue(list)}; give a list of ${what}, such as ${example}`;
      throw new OptionError(where, name, list, problem);
    }
    if (list.length === 0) throw new OptionError(where, name, list, "is an empty list; give at least one entry");
  }
}

/** Throws for a rank or a number of virtual tokens that is no whole number, and for a budget that is not positive. */
function checkCounts(where: string, options: CompareMethodsOptions): void {
  const { ranks = [], virtualTokens = [], memory } = options;
  for (const [name, values] of Object.entries({ ranks, virtualTokens: [virtualTokens].flat() })) {
    for (const value of values) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new OptionError(where, name, value, `has ${value}; give whole numbers of at least 1`);
    }
  }
  if (memory !== undefined && !(memory > 0)) {
    throw new OptionError(where, "memory", memory, `is ${memory}; give a number of bytes above 0`);
  }
}

function sharedSettings({ ranks, targets, virtualTokens }: CompareMethodsOptions): MethodComparison["settings"] {
  return {
    ranks: ranks ?? [defaultSettings.r],
    targets: targets ?? [defaultSettings.targetModules],
    virtualTokens: virtualTokens ?? defaultSettings.virtualTokens,
  };
}

function failure({ name, rank, quantization, targets }: Candidate, error: Error): FailedMethod {
  const { code } = error as { code?: unknown };
  const type = quantization && (quantization.quantType ?? "nf4");
  return {
    ...{ name, rank, quantization: type, ...(targets !== undefined && { targets }), why: error.message },
    ...(typeof code === "string" && { code }),
  };
}

/** Options of `compareMethods` whose defaults are resolved. */
type Planned = Omit<CompareMethodsOptions, "memory"> & Pick<MethodComparison, "dtype" | "optimizer" | "memory">;

/** Computes the row of a candidate, and the number of tokens for which operations were counted. */
async function rowOf(
  shapes: ModelShapes,
  { name, rank, quantization, targets, config }: Candidate,
  loss: PlannedLoss | null | undefined,
  options: Planned,
): Promise<{ row: MethodRow; tokens: number }> {
  if (config instanceof Error) throw config;
  const { dtype, optimizer, memory } = options;
  const report = await reportAdapter(shapes, config, {
    ...{ dtype, optimizer, quantization },
    sequenceLength: options.sequenceLength,
  });
  const { sequenceLength: tokens } = report.inference;
  const plan =
    loss === null ? null : await trainingOf(shapes, { adapter: config, quantization }, loss, options, tokens);
  const trainingBytes = plan?.training.bytes ?? null;
  const settings = [config === null ? "" : await settingsText(config), quantizationText(quantization)];
  const row: MethodRow = {
    ...costsOf(report),
    ...{ name, rank, settings: settings.filter((text) => text !== "").join(" ") },
    quantization: quantization && (quantization.quantType ?? "nf4"),
    ...(targets !== undefined && { targets }),
    gradientBytes: plan?.gradients.bytes ?? report.bytesTrained,
    activationBytes: plan?.activations ?? null,
    trainingBytes,
    fits: memory === null || trainingBytes === null ? null : trainingBytes <= memory,
    warnings: report.adapter?.warnings ?? [],
  };
  return { row, tokens };
}

async function trainingOf(
  shapes: ModelShapes,
  { adapter, quantization }: Pick<PlanOptions, "adapter" | "quantization">,
  loss: PlannedLoss | undefined,
  { dtype, optimizer, batchSize, gradientCheckpointing }: Planned,
  sequenceLength: number,
) {
  const sizes = { batchSize: batchSize ?? 1, sequenceLength };
  const run = loss ? { ...sizes, loss: loss(sizes) } : { batchSize };
  const options = { adapter, quantization, dtype, optimizer, gradientCheckpointing, ...run };
  return (await planTraining("compareMethods", shapes, options)).plan;
}

function costsOf({ peftType, trainable, total, percent, bytesSaved, bytesTrained, ...report }: AdapterReport) {
  const { optimizerBytes, baseBytes, mergeable, inference } = report;
  const { parameters: inferenceParameters, flopsPerToken, baseFlopsPerToken } = inference;
  return {
    ...{ peftType, trainable, total, percent, bytesSaved, bytesTrained, optimizerBytes, baseBytes, mergeable },
    ...{ inferenceParameters, flopsPerToken, baseFlopsPerToken },
  };
}

/** Describes the options of a quantisation that differ from their defaults: "blockSize=32 doubleQuant=true". */
function quantizationText(quantization: Candidate["quantization"]): string {
  const { quantType: _, ...options } = quantization ?? {};
  const given = Object.entries(options).filter(([name, value]) => value && !(name === "blockSize" && value === 64));
  return given.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(" ");
}
