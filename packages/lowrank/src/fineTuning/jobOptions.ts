import { type FineTuneJob, JobRefused, type OptionValue } from "@lowrank/serve/jobs";
import { usualRate } from "../commands/train/learner.ts";
import type { TrainCommandOptions } from "../commands/train/train.ts";
import { parseTrainOptions } from "./trainOptions.ts";

/**
 * Returns the training options of a job, from its OpenAI hyperparameters and its `options`. Throws `JobRefused` for
 * options that jobs do not support.
 */
export function optionsOf(job: FineTuneJob): TrainCommandOptions {
  const { n_epochs, batch_size, learning_rate_multiplier: factor } = job.hyperparameters;
  const given = (name: string, value: OptionValue | undefined) => {
    return value === undefined || value === "auto" ? {} : { [name]: value };
  };
  try {
    const options = parseTrainOptions({
      ...given("epochs", n_epochs),
      ...given("batch-size", batch_size),
      ...{ seed: job.seed, ...job.options },
    });
    const usual = options.lr ?? usualRate(null, options);
    return { ...options, lr: typeof factor === "number" ? usual * factor : usual };
  } catch (error) {
    throw new JobRefused({ code: "invalid_value", message: (error as Error).message, param: "lowrank.options" });
  }
}
