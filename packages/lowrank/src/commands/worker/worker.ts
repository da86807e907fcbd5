import { Command } from "commander";
import { integer, number, threadsOption, wideSimdOption } from "../../cli/argument.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";

/** Options of `lowrank worker`. */
export interface WorkerCommandOptions {
  model: string;
  servedModelName?: string;
  queue: string;
  store: string;
  jobs: number;
  perKey?: number;
  attempts: number;
  retrySeconds: number;
  lockSeconds: number;
  deaths: number;
  pollSeconds: number;
  threads: number;
  wideSimd?: boolean;
  failed?: boolean;
  retry?: string[];
}

const help = `
Servers that have the same --queue and --store take orders over HTTP: lowrank serve MODEL --queue ... --store ...
Each job trains in a process of its own, of the lowest priority. A worker that dies loses nothing but the steps since the
last checkpoint: another goes on from there after --lock-seconds, to the same bits. On SIGTERM or Ctrl-C jobs save a
checkpoint and go back to the queue.

Examples:
  $ lowrank worker ./model --queue redis://127.0.0.1:6379 --store s3://bucket/prefix
  $ lowrank worker ./model --queue redis://127.0.0.1:6379 --store ./store --failed
  $ lowrank worker ./model --queue redis://127.0.0.1:6379 --store ./store --retry ftjob-0mcm2h9k1...

It needs the packages bullmq and ioredis, and a Redis with its append-only file on: npm install bullmq ioredis`;

/**
 * Returns the `lowrank worker` command. `plugins` are the plugin modules; the child process of each job imports them.
 */
export function workerCommand(plugins: readonly string[]): Command {
  return addModelOption(new Command("worker"))
    .summary("runs the fine-tuning jobs of a Redis queue")
    .description(
      "Takes fine-tuning jobs from a Redis queue, trains them, and writes adapters, checkpoints and logs to the servers' store.",
    )
    .requiredOption("--queue <url>", "the Redis of the queue, as redis://host:port")
    .requiredOption("--store <place>", "the servers' store: a folder, or s3://bucket/prefix")
    .option("--served-model-name <name>", "name of the model in API requests (default: the name of its folder or file)")
    .option("--jobs <n>", "jobs that this worker trains at the same time", integer(1), 1)
    .option(
      "--per-key <n>",
      "most jobs of one API key that train at the same time, over all workers (default: no limit)",
      integer(1),
    )
    .option("--attempts <n>", "how many times a failing job is tried", integer(1), 3)
    .option(
      "--retry-seconds <x>",
      "seconds to wait before a failed job's second attempt; each further wait is twice as long",
      number({ above: 0 }),
      5,
    )
    .option(
      "--lock-seconds <x>",
      "seconds without a sign of life after which another worker takes over the job",
      number({ least: 1 }),
      30,
    )
    .option("--deaths <n>", "crashed workers that a job survives; one more, and the job has failed", integer(0), 5)
    .option("--poll-seconds <x>", "seconds between checks for cancelled jobs", number({ above: 0 }), 1)
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--failed", "list the failed jobs with their errors, then exit")
    .option("--retry <id...>", "put these failed jobs back on the queue, then exit")
    .addHelpText("after", help)
    .action(async (_, options: WorkerCommandOptions) => {
      const { runWorker } = await import("./runWorker.ts");
      await runWorker(options, plugins);
    });
}
