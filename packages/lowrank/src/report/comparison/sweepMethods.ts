import { OptionError } from "@lowrank/core";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftConfig } from "@lowrank/peft";
import type { ComparedModel } from "./comparedModel.ts";
import { type CompareMethodsOptions, comparedRows } from "./compareMethods.ts";
import type { ComparedMethod, FailedMethod, MethodComparison, MethodRow, Quality } from "./methodComparison.ts";
import { qualityOf, withQuality } from "./paretoFront.ts";

/** One training of a sweep. */
export interface SweepTrial {
  /** The adapter to train; null for full fine-tuning. */
  readonly config: PeftConfig | null;
  /** Quantisation with which to load the base model; null for none. */
  readonly quantization: QuantizeOptions | null;
  /** Seed of the trial: 0, 1, ... */
  readonly seed: number;
  /** Costs of the method. */
  readonly row: MethodRow;
}

/** Options of `sweepMethods`. */
export interface SweepMethodsOptions extends CompareMethodsOptions {
  /** Name of the metric that `evaluate` returns, such as "exact match". */
  metric: string;
  /** Trains a model with the trial's configuration, evaluates it, and returns the value of the metric. */
  evaluate: (trial: SweepTrial) => number | Promise<number>;
  /** False if lower values are better, as for a loss. Default: true. */
  higherIsBetter?: boolean;
  /** Number of trainings of each row, with the seeds 0, 1, ... Default: 1. */
  seeds?: number;
}

/**
 * Compares methods as `compareMethods` does, and trains each row with your function `evaluate`. Rows then have a
 * `quality`, its deviation over seeds, and `paretoOptimal`. Trainings run one after the other. A row whose training
 * throws is moved to `failed`, with the error. `model` is only used to compute costs: `evaluate` makes or loads the
 * model that it trains.
 *
 * Throws `OptionError` for invalid options, and for a metric that is not a finite number.
 *
 * @example
 * ```ts
 * const sweep = await sweepMethods("smollm2-135m", ["lora", "dora"], {
 *   ranks: [2, 8, 32],
 *   targets: [["q_proj", "v_proj"], "all-linear"],
 *   metric: "loss",
 *   higherIsBetter: false,
 *   evaluate: async ({ config, seed }) => trainAndEvaluate(config, seed),
 * });
 * console.log(toMarkdown(sweep));
 * ```
 */
export async function sweepMethods(
  model: ComparedModel,
  configs: readonly ComparedMethod[],
  options: SweepMethodsOptions,
): Promise<MethodComparison> {
  const { metric, evaluate, higherIsBetter = true, seeds = 1, ...compared } = options ?? {};
  checkSweep({ metric, evaluate, seeds });
  const { comparison, candidates } = await comparedRows("sweepMethods", model, configs, compared);
  const rows: MethodRow[] = [];
  const qualities: Quality[] = [];
  const failed: FailedMethod[] = [...comparison.failed];
  for (const [i, row] of comparison.rows.entries()) {
    const { config, quantization } = candidates[i];
    try {
      const values: number[] = [];
      for (let seed = 0; seed < seeds; seed++) {
        values.push(finite(metric, await evaluate({ config, quantization, seed, row })));
      }
      qualities.push(qualityOf(metric, values, higherIsBetter));
      rows.push(row);
    } catch (error) {
      if (error instanceof OptionError && error.option === "evaluate") throw error;
      const { name, rank, quantization: type, targets } = row;
      const of = { name, rank, quantization: type, ...(targets !== undefined && { targets }) };
      failed.push({ ...of, why: (error as Error).message, ...codeOf(error) });
    }
  }
  return withQuality({ ...comparison, rows, failed }, qualities);
}

function checkSweep({ metric, evaluate, seeds }: Pick<SweepMethodsOptions, "metric" | "evaluate" | "seeds">): void {
  const check = (name: string, value: unknown, isRight: boolean, how: string) => {
    if (!isRight) throw new OptionError("sweepMethods", name, value, `is ${String(value)}; ${how}`);
  };
  check("metric", metric, typeof metric === "string" && metric !== "", 'give the name of the metric, such as "loss"');
  check("evaluate", evaluate, typeof evaluate === "function", "give a function that trains and returns the metric");
  check("seeds", seeds, Number.isSafeInteger(seeds) && Number(seeds) >= 1, "give a whole number of at least 1");
}

function finite(metric: string, value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const problem = `returned ${String(value)} as ${metric}; return a finite number, or throw an error`;
  throw new OptionError("sweepMethods", "evaluate", value, problem);
}

function codeOf(error: unknown): { code?: string } {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? { code } : {};
}
