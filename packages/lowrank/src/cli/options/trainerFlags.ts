import type { MatmulPrecision } from "@lowrank/core";
import type { EvaluationSettings, MetricName, TokenizedExample, TrainerOptions } from "@lowrank/train";
import { type Command, InvalidArgumentError, Option } from "commander";
import { integer, number } from "../argument.ts";

/**
 * Options of `lowrank train` that go to the trainer unchanged, except `metrics` and `evalEvery`, which configure
 * evaluations.
 */
export interface TrainerFlags {
  minLr?: number;
  minLrRate?: number;
  groupByLength?: boolean;
  neftuneNoiseAlpha?: number;
  precision?: MatmulPrecision;
  loadBestModelAtEnd?: boolean;
  metricForBestModel?: string;
  greaterIsBetter?: boolean;
  earlyStoppingPatience?: number;
  earlyStoppingThreshold?: number;
  metrics?: MetricName[];
  evalEvery?: number;
}

/** Returns the `--precision` option of commands that train. */
export function precisionOption(): Option {
  return new Option(
    "--precision <name>",
    "precision of matrix products with frozen weights. high: rounded to 13 bits, faster; medium: also gradients, and inputs of 4-bit layers, rounded to 8 bits",
  ).choices(["highest", "high", "medium"]);
}

/** Adds options to `lowrank train`: learning rate schedule, NEFTune noise, metrics, and the best checkpoint. */
export function addTrainerFlags(command: Command): Command {
  return command
    .option(
      "--min-lr <x>",
      "learning rate at the end of a linear or cosine schedule (default: 0)",
      number({ least: 0 }),
    )
    .option(
      "--min-lr-rate <x>",
      "learning rate at the end of the schedule as a fraction of --lr",
      number({ least: 0, most: 1 }),
    )
    .option("--group-by-length", "put examples of similar length into a batch, for less padding")
    .option(
      "--neftune-noise-alpha <x>",
      "NEFTune: scale of the noise added to embeddings in training, such as 5",
      number({ above: 0 }),
    )
    .addOption(precisionOption())
    .option("--metrics <names>", "metrics to measure besides the loss, such as accuracy,exactMatch", metricNames)
    .option(
      "--load-best-model-at-end",
      "write the weights of the best evaluation (see --eval-every) instead of the last",
    )
    .option(
      "--metric-for-best-model <name>",
      "metric that chooses the best evaluation, a name from metrics.jsonl (default: loss)",
    )
    .option(
      "--greater-is-better",
      "larger values of --metric-for-best-model are better (default: true, except for losses and other metrics of which less is better)",
    )
    .option("--early-stopping-patience <n>", "stop after n evaluations without improvement", integer(1))
    .option(
      "--early-stopping-threshold <x>",
      "smallest improvement that --early-stopping-patience counts as one",
      number({ least: 0 }),
    );
}

const known: readonly MetricName[] = ["accuracy", "f1", "f1Macro", "f1Micro", "exactMatch"];

/** Parses a list of metrics such as "accuracy,exactMatch". */
function metricNames(list: string): MetricName[] {
  const names = list.split(",");
  const other = names.find((name) => !(known as readonly string[]).includes(name));
  if (other === undefined) return names as MetricName[];
  throw new InvalidArgumentError(`"${other}" is not a metric; expected ${known.join(", ")}`);
}

/** Metrics that a task has in addition to its loss. */
interface TaskMeasures {
  readonly lowerIsBetter: readonly string[];
  readonly measure: NonNullable<EvaluationSettings<unknown>["measure"]>;
}

/**
 * Returns the trainer's settings, with evaluations on `validation` if it is not empty. Options --load-best-model-at-end
 * and --early-stopping-patience need both validation data and --eval-every; throws if either is missing.
 */
export function trainerSettings(
  options: TrainerFlags,
  validation: readonly unknown[],
  { lowerIsBetter, measure }: TaskMeasures,
): Partial<TrainerOptions> {
  const { metrics, evalEvery, metricForBestModel: given, ...settings } = pick(options);
  // metrics.jsonl prefixes the name with "eval_", which transformers accepts too.
  const metricForBestModel = given?.replace(/^eval_/, "");
  const isLower = metricForBestModel !== undefined && lowerIsBetter.includes(metricForBestModel);
  const greaterIsBetter = settings.greaterIsBetter ?? (isLower ? false : undefined);
  const evaluation: EvaluationSettings<TokenizedExample> | undefined =
    validation.length > 0
      ? { examples: validation as readonly TokenizedExample[], every: evalEvery, measure, ...(metrics && { metrics }) }
      : undefined;
  const needs = options.loadBestModelAtEnd ? "--load-best-model-at-end" : "--early-stopping-patience";
  if (options.loadBestModelAtEnd || options.earlyStoppingPatience !== undefined) {
    if (!evaluation) throw new Error(`${needs} needs data to validate with; give --validation`);
    if (evalEvery === undefined) throw new Error(`${needs} needs evaluations while it trains; give --eval-every`);
  }
  return { ...settings, metricForBestModel, greaterIsBetter, ...(evaluation && { evaluation }) };
}

/** Picks the options of `TrainerFlags` from an object with more options. */
function pick(options: TrainerFlags): TrainerFlags {
  const { minLr, minLrRate, groupByLength, neftuneNoiseAlpha, precision, metrics, evalEvery } = options;
  const { loadBestModelAtEnd, metricForBestModel, greaterIsBetter } = options;
  const { earlyStoppingPatience, earlyStoppingThreshold } = options;
  return {
    ...{ minLr, minLrRate, groupByLength, neftuneNoiseAlpha, precision, metrics, evalEvery },
    ...{ loadBestModelAtEnd, metricForBestModel, greaterIsBetter, earlyStoppingPatience, earlyStoppingThreshold },
  };
}
