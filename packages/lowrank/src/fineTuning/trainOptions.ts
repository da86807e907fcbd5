import { isPromptMethod } from "@lowrank/peft/internal";
import type { OptionValue } from "@lowrank/serve/jobs";
import { CommanderError } from "commander";
import { plannedSteps, toPeftConfig } from "../cli/options/adapterConfig.ts";
import { adapterFlags } from "../cli/options/adapterFlags.ts";
import { type TrainCommandOptions, trainCommand } from "../commands/train/train.ts";
import { findMethods } from "../report/methods.ts";

/** Options of `lowrank train` that jobs may set, in addition to adapter options. */
const trainingFlags: readonly string[] = [
  ...["method", "optimizer", "gradient-checkpointing", "lr", "loraplus-lr-ratio", "schedule", "warmup-steps"],
  ...["weight-decay", "max-grad-norm", "batch-size", "accumulate", "max-length", "steps", "epochs", "seed"],
  ...["eval-every", "save-every", "save-total-limit"],
];

/** Largest values that jobs may set for options that need memory or disk space on the training machine. */
const largest: NamedOptions = { "batch-size": 256, accumulate: 1024, "save-total-limit": 20 };

/** Training options by the names of their flags. */
export type NamedOptions = Readonly<Record<string, OptionValue>>;

/**
 * Parses a job's options as `lowrank train` parses its command line, with the same defaults. Throws an error that names
 * the option if it is unknown, not allowed for jobs, or has an invalid value. Throws for a method whose adapters cannot
 * be served.
 */
export function parseTrainOptions(named: NamedOptions): TrainCommandOptions {
  const known = [...trainingFlags, ...adapterFlags().map(({ flag }) => flag)];
  const unknown = Object.keys(named).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new Error(`there is no option ${JSON.stringify(unknown)} for jobs; there are ${known.join(", ")}`);
  }
  for (const [name, most] of Object.entries(largest)) {
    if (Number(named[name] ?? 0) > Number(most))
      throw new Error(`${name} is ${named[name]}, but jobs allow at most ${most}; give less`);
  }
  const words = Object.entries(named).flatMap(([name, value]) => {
    if (value === false) return [];
    return [value === true ? `--${name}` : `--${name}=${value}`];
  });
  const command = trainCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  try {
    command.parseOptions(words);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new Error(error.message.replace(/^error: /, ""), { cause: error });
  }
  const options = command.opts<TrainCommandOptions>();
  const [method] = findMethods([options.method]);
  const { name, peft, quantized } = method;
  if (!peft || quantized || isPromptMethod(peft)) {
    const reason = !peft
      ? "trains no adapter"
      : quantized
        ? "trains on a copy of the base weights, next to a model in 4 bits"
        : "puts virtual tokens before all rows of a batch";
    throw new Error(
      `method ${name} ${reason}, so that its result cannot be served with other adapters; give another method`,
    );
  }
  // Throws for options that the method lacks, and for invalid values.
  toPeftConfig(method, options, plannedSteps);
  return options;
}
