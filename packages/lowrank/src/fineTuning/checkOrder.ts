import { describeModel } from "@lowrank/models";
import { describeAdapter, type MethodFacts, type ModelShapes, type PeftConfig } from "@lowrank/peft";
import { loadFact, methodOf } from "@lowrank/peft/internal";
import type { KeyBudgets } from "@lowrank/serve/http";
import { servingProblem } from "@lowrank/serve/internal";
import { type FineTuneJob, JobRefused, type StoredFile } from "@lowrank/serve/jobs";
import { trainingSteps } from "@lowrank/train";
import { findModelConfig } from "../cli/loading/modelConfig.ts";
import { trainedConfig } from "../cli/options/trainedConfig.ts";
import type { TrainCommandOptions } from "../commands/train/train.ts";
import { optionsOf } from "./jobOptions.ts";

/** Limits that a server sets for the adapters that it serves. */
export interface ServedLimits {
  /** Base model's folder or file. */
  readonly model: string;
  readonly maxLoraRank?: number;
  /** Maximum number of bytes that all adapters may use in the server's memory. */
  readonly adapterMemory: number;
}

/** Order of a fine-tuning job, with the data that are needed to check the order. */
export interface OrderToCheck {
  readonly job: FineTuneJob;
  /** Budgets of the API key that ordered the job. */
  readonly budgets: KeyBudgets;
  /** Training file of the job. */
  readonly file: StoredFile;
}

/**
 * Checks an order of a fine-tuning job, without loading the model's weights. Throws `JobRefused` if the job cannot be
 * trained, exceeds a limit of its API key, or would create an adapter that the server refuses.
 */
export async function checkOrder({ job, budgets, file }: OrderToCheck, served: ServedLimits): Promise<void> {
  const options = optionsOf(job);
  const steps = checkSteps(options, budgets, file);
  const config = (await trainedConfig(options))(steps);
  if (config === null) throw refused("method", `${options.method} trains no adapter; give another method`);
  checkRank(config, budgets);
  await checkServed(config, budgets, served, describeModel(await findModelConfig(served.model)));
}

/** Returns the number of training steps of a job. Throws if it exceeds the limit of the API key. */
function checkSteps(options: TrainCommandOptions, { steps: most }: KeyBudgets, { lines }: StoredFile): number {
  const { batchSize, accumulate: gradientAccumulationSteps, epochs } = options;
  const planned = trainingSteps(Math.max(1, lines), { batchSize, gradientAccumulationSteps, epochs });
  const steps = options.steps ?? planned;
  if (steps <= most) return steps;
  const epochSteps = `${epochs} epochs of ${lines} examples are ${steps} steps`;
  const order = options.steps === undefined ? epochSteps : `the order asks for ${steps}`;
  throw refused("steps", `${order}, and one fine-tune of this key may have ${most}; order fewer`, "steps_exceeded");
}

/** Throws if the adapter's rank exceeds the limit of the API key. */
function checkRank(config: PeftConfig, { rank: most }: KeyBudgets): void {
  const { r, initR, rankPattern } = config as unknown as Record<string, unknown>;
  const ranks = [r, initR, ...Object.values((rankPattern as object | null | undefined) ?? {})];
  const rank = Math.max(...ranks.filter((value) => typeof value === "number"));
  if (rank > most)
    throw refused("r", `the rank is ${rank}, and the limit of this key is ${most}; give a lower rank`, "rank_exceeded");
}

/** Throws if the server would refuse the job's adapter. */
async function checkServed(
  config: PeftConfig,
  budgets: KeyBudgets,
  { maxLoraRank, adapterMemory }: ServedLimits,
  model: ModelShapes,
): Promise<void> {
  const method: MethodFacts<PeftConfig> = await methodOf(config);
  const start = method.startsFromWeights?.(config) ?? null;
  if (start?.measuredBy) {
    throw refused("init-lora-weights", `${start.name} measures the model before training, which jobs do not support`);
  }
  const subtraction = start ? await loadFact(method.subtractsStart) : undefined;
  if (start && subtraction?.refusal(config) !== null) {
    throw refused("init-lora-weights", `a start from ${start.name} changes the base model, which is served too`);
  }
  // An adapter initialised from the weights is saved with its initial values subtracted, which increases its rank.
  const written = subtraction ? subtraction.joined(config) : config;
  const problem = await servingProblem(written, "the adapter", maxLoraRank);
  if (problem !== null) throw refused(null, `the server would not serve the adapter: ${problem}`);
  const description = await describeAdapter(model, written).catch((error: Error) => {
    throw refused(null, error.message);
  });
  if (description.rowProblem !== null) {
    throw refused(null, `the server would not serve the adapter: ${description.rowProblem}`);
  }
  const most = Math.min(adapterMemory, budgets.adapterMemory);
  if (description.fileBytes > most) {
    throw refused(
      null,
      `the adapter would take ${description.fileBytes} bytes, and the server has ${most} for it; give a smaller rank or fewer target modules`,
      "adapter_too_large",
    );
  }
}

function refused(option: string | null, message: string, code: string = "invalid_value"): JobRefused {
  return new JobRefused({
    code,
    message: option === null ? message : `${option}: ${message}`,
    param: "lowrank.options",
  });
}
