import { bullQueue, fineTuneWorker, type JobQueue, JobStopped, keepFilled, retryJob } from "@lowrank/serve/jobs";
import { withInterrupt } from "../../cli/process/interrupt.ts";
import { type JobPlaces, jobPlaces } from "../../fineTuning/jobPlaces.ts";
import { clearStore } from "../../fineTuning/openStore.ts";
import { trainInProcess } from "../../fineTuning/trainInProcess.ts";
import { servedNameOf } from "../../report/shortName.ts";
import type { WorkerCommandOptions } from "./worker.ts";

/** Runs `lowrank worker` until a signal interrupts it. */
export async function runWorker(options: WorkerCommandOptions, plugins: readonly string[]): Promise<void> {
  const model = servedName(options);
  const places = jobPlaces(options.store);
  if (options.failed) return listFailed(places, model);
  await clearStore(options.store);
  const queue = await bullQueue({
    ...{ url: options.queue, model, atOnce: options.jobs, perOwner: options.perKey, attempts: options.attempts },
    ...{ backoffMs: options.retrySeconds * 1000, lockSeconds: options.lockSeconds, deaths: options.deaths },
    onError: ({ message }) => console.error(`warning: queue: ${message || "no connection"}`),
  });
  try {
    if (options.retry) await retryAll(places, queue, model, options.retry);
    else await takeJobs(places, queue, model, options, plugins);
  } finally {
    await queue.close();
  }
}

/** Returns the name under which the servers offer the base model. */
function servedName(options: Pick<WorkerCommandOptions, "model" | "servedModelName">): string {
  return options.servedModelName ?? servedNameOf(options.model);
}

async function takeJobs(
  { jobs, place }: JobPlaces,
  queue: JobQueue,
  model: string,
  options: WorkerCommandOptions,
  plugins: readonly string[],
): Promise<void> {
  const { store, threads, wideSimd = false, pollSeconds } = options;
  const own = { store, model: options.model, threads, wideSimd, yields: true, pollMs: pollSeconds * 1000 };
  const worker = fineTuneWorker({
    ...{ store: jobs, place },
    train: async (job, attempt, signal) => {
      console.error(`${job.id}: attempt ${attempt}`);
      const trained = await trainInProcess({ job, attempt, ...own }, plugins, signal).catch((error: Error) => {
        if (!(error instanceof JobStopped)) console.error(`${job.id}: attempt ${attempt} failed: ${error.message}`);
        throw error;
      });
      console.error(`${job.id}: trained, as ${job.name}`);
      return trained;
    },
  });
  const working = await queue.work(worker);
  const stopFilling = keepFilled(queue, jobs, model, { everyMs: options.lockSeconds * 1000 });
  const note = () => console.error("stopping: jobs save a checkpoint and go back; again stops at once");
  await withInterrupt(note, async (signal) => {
    console.error(`taking jobs of ${model} from ${new URL(options.queue).host}`);
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    stopFilling();
    await working.close();
  });
}

async function listFailed({ jobs }: JobPlaces, model: string): Promise<void> {
  const failed = await jobs.failed(model);
  if (failed.length === 0) console.log(`no job of ${model} has failed`);
  for (const { job, end } of failed) {
    const when = new Date((end?.at ?? 0) * 1000).toISOString();
    console.log(`${job.id}  ${when}  ${job.owner || "-"}  ${end?.error?.code}: ${end?.reason ?? end?.error?.message}`);
  }
}

async function retryAll({ jobs }: JobPlaces, queue: JobQueue, model: string, ids: readonly string[]): Promise<void> {
  const failed = await jobs.failed(model);
  for (const id of ids) {
    const found = failed.find(({ job }) => job.id === id);
    if (!found) throw new Error(`--retry ${id}: no such job of ${model} has failed; --failed lists the failed jobs`);
    await retryJob(jobs, queue, found.job);
    console.log(`${id} runs once more`);
  }
}
