import { Command, InvalidArgumentError } from "commander";
import { integer, threadsOption, wideSimdOption } from "../../cli/argument.ts";

/** Options of `lowrank sweep`. */
export interface SweepCommandOptions {
  output?: string;
  queue?: string;
  store?: string;
  jobs: number;
  threads: number;
  wideSimd?: boolean;
  json?: boolean;
}

const help = `
The file has a model, data and options of lowrank train, and below sweep the values to try:

  model: ./model
  data: train.jsonl
  validation: validation.jsonl
  output: ./sweep
  steps: 200
  sweep:
    lr: [1e-4, 1e-3]
    r: [4, 8, 16]

That trains all combinations. With "trials: 20" beside them so many are drawn, by "sweepSeed: 0", and values may be
ranges too: lr: { min: 1e-5, max: 1e-2, scale: log }. "task: dpo" learns from comparisons. The best trial is that of the
smallest validation loss, or training loss where there is no validation; its adapter is copied to OUTPUT/best.

Trials are jobs: each trains in a process of its own, and what was done is not done again when the command is started
anew. With --queue and --store the workers of a queue train them (lowrank worker).

Examples:
  $ lowrank sweep run.yaml
  $ lowrank sweep run.yaml --jobs 2 --output ./lr-and-rank
  $ lowrank sweep run.yaml --queue redis://127.0.0.1:6379 --store s3://bucket/prefix`;

/** Returns the `lowrank sweep` command. */
export function sweepCommand(plugins: readonly string[]): Command {
  return new Command("sweep")
    .argument("<file>", "YAML or JSON file with the training options and the values to try", (file) => {
      if (/\.(ya?ml|json)$/i.test(file)) return file;
      throw new InvalidArgumentError("Expected a .yaml or .json file.");
    })
    .summary("searches for the best training options")
    .description(
      "Hyperparameter search: trains one adapter for each combination of options, from a grid or at random, and compares them.",
    )
    .option(
      "--output <dir>",
      "folder for the results table, the HTML page and the best adapter (default: `output` of the file)",
    )
    .option("--queue <url>", "send the trials to the workers of this Redis queue, as redis://host:port; needs --store")
    .option("--store <place>", "with --queue: store that the workers use, a folder or s3://bucket/prefix")
    .option("--jobs <n>", "without --queue: trials that train at the same time", integer(1), 1)
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--json", "print the results as JSON")
    .addHelpText("after", help)
    .action(async (file: string, options: SweepCommandOptions) => {
      const { runSweep } = await import("./runSweep.ts");
      await runSweep(file, options, plugins);
    });
}
