// Process that trains one job. It receives the order as a message, and sends the outcome back.
import { constants, setPriority } from "node:os";
import { type JobError, type JobKind, JobRefused, JobStopped, type TrainedJob } from "@lowrank/serve/jobs";
import { loadPlugins } from "../cli/options/plugins.ts";
import { guardOutput } from "../cli/process/guardOutput.ts";
import { fineTune, type Order } from "./fineTune.ts";
import { measureQueued } from "./measureQueued.ts";

/** Message to the child process of a job: the job to train, or a request to stop. */
export type ToJob = { readonly order: Order } | { readonly stop: true };

/** Message with which the process of a job reports its outcome. */
export type JobOutcome =
  | { readonly trained: TrainedJob }
  | { readonly refused: JobError }
  | { readonly stopped: true }
  | { readonly failed: string };

guardOutput();
// The parent process is gone. Another worker gets the job soon, and resumes from its last checkpoint.
process.once("disconnect", () => process.exit(1));
// Signals to the whole process group are for the parent, which then sends `stop`.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const stop = new AbortController();

process.on("message", async (message: ToJob) => {
  if ("stop" in message) return stop.abort();
  const outcome = await run(message.order);
  process.send?.(outcome, () => process.exit());
});

/** Functions that run a job, by its kind. */
const runs: Readonly<Record<JobKind, typeof fineTune>> = {
  supervised: fineTune,
  dpo: fineTune,
  comparison: measureQueued,
};

async function run(order: Order): Promise<JobOutcome> {
  if (order.yields) setPriority(constants.priority.PRIORITY_LOW);
  try {
    await loadPlugins(process.argv.slice(2));
    return { trained: await runs[order.job.method](order, stop.signal) };
  } catch (error) {
    if (error instanceof JobRefused) return { refused: error.detail };
    if (error instanceof JobStopped) return { stopped: true };
    const { message, cause } = error as Error;
    // The cause holds the store's own error.
    return { failed: cause instanceof Error ? `${message}: ${cause.message}` : message };
  }
}
