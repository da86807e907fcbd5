// The process that trains one job: its order comes as a message, the outcome goes back.
import { constants, setPriority } from "node:os";
import { type JobError, type JobKind, JobRefused, JobStopped, type TrainedJob } from "@lowrank/serve/jobs";
import { loadPlugins } from "../cli/options/plugins.ts";
import { guardOutput } from "../cli/process/guardOutput.ts";
import { fineTune, type Order } from "./fineTune.ts";
import { measureQueued } from "./measureQueued.ts";

/** A message to this process. */
export type ToJob = { readonly order: Order } | { readonly stop: true };

/** The outcome of a job's process. */
export type JobOutcome =
  | { readonly trained: TrainedJob }
  | { readonly refused: JobError }
  | { readonly stopped: true }
  | { readonly failed: string };

guardOutput();
// Whoever gave the order is gone: another has the job soon, and goes on from its last checkpoint.
process.once("disconnect", () => process.exit(1));
// Signals to the whole group are for whoever gave the order, who then says `stop`.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const stop = new AbortController();

process.on("message", async (message: ToJob) => {
  if ("stop" in message) return stop.abort();
  const outcome = await run(message.order);
  process.send?.(outcome, () => process.exit());
});

/** The code of each kind of jobs. */
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
    // The store's own reasons are in the cause.
    return { failed: cause instanceof Error ? `${message}: ${cause.message}` : message };
  }
}
