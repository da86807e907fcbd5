import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { now } from "@lowrank/serve/internal";
import { bullQueue, type FineTuneJob, type JobState, keepFilled } from "@lowrank/serve/jobs";
import { withInterrupt } from "../../cli/process/interrupt.ts";
import type { Job, Measured, Outcome } from "../../compare/job.ts";
import { keepOutcome, keptOutcomes } from "../../compare/keptOutcomes.ts";
import { measuredKey, optionsOfRun } from "../../compare/queuedJob.ts";
import { type JobPlaces, jobPlaces } from "../../fineTuning/jobPlaces.ts";
import { servedNameOf } from "../../report/shortName.ts";
import type { RunJobsOptions } from "./runJobs.ts";

/** Owner name of comparison jobs, which belong to no API key. */
const owner = "lowrank compare";

/** Milliseconds between checks of the jobs. */
const pollMs = 250;

/** A job queue, and the store that its workers share. */
export interface QueuePlace {
  /** Address of the Redis server. */
  readonly queue: string;
  readonly store: string;
}

/**
 * Runs jobs for one model on the workers of a queue, and returns the outcomes in the order of the jobs. If an equal run
 * has already completed, its outcome is used, even if another user ordered the run.
 */
export async function runQueued(
  jobs: readonly (Job & { model: string })[],
  place: QueuePlace,
  { folder, done }: Pick<RunJobsOptions, "folder" | "done">,
): Promise<Outcome[]> {
  const places = jobPlaces(place.store);
  const outcomes = await keptOutcomes(folder, jobs);
  let count = 0;
  for (const outcome of outcomes) if (outcome) done(outcome, ++count, true);
  const model = servedNameOf(jobs[0].model);
  const orders = new Map<number, FineTuneJob>();
  for (const [i, job] of jobs.entries()) if (!outcomes[i]) orders.set(i, await orderRun(places, job, model));
  const onError = ({ message }: Error) => console.error(`warning: queue: ${message}`);
  const queue = await bullQueue({ url: place.queue, model, onError });
  const stopFilling = keepFilled(queue, places.jobs, model, { onError });
  try {
    for (const order of orders.values()) if (!(await places.jobs.state(order)).settled) await queue.add(order);
    const note = () => console.error("stopping: the workers go on, and the same command takes what they have done");
    await withInterrupt(note, async (signal) => {
      for (;;) {
        for (const [i, order] of orders) {
          const state = await places.jobs.state(order);
          if (!state.settled) continue;
          orders.delete(i);
          const outcome = await outcomeOf(places, jobs[i], state);
          await keepOutcome(folder, outcome);
          outcomes[i] = outcome;
          done(outcome, ++count, false);
        }
        if (signal.aborted) throw signal.reason;
        if (orders.size === 0) return;
        await pause(pollMs);
      }
    });
  } finally {
    stopFilling();
    await queue.close();
  }
  return outcomes.filter((outcome) => outcome !== null);
}

/**
 * Adds a run to the store, and returns its job. The job's id is a hash of the run, so equal runs are added only once.
 * If the existing job has failed, it is queued again.
 */
async function orderRun(places: JobPlaces, job: Job, model: string): Promise<FineTuneJob> {
  if (job.data.kind !== "files") throw new Error("--queue needs --data: workers cannot run the built-in task");
  const { data: paths, validation: file } = job.data;
  const data: string[] = [];
  for (const path of paths) data.push(await upload(places, path));
  const validation = file === undefined ? null : await upload(places, file);
  const forgetting = job.forgetting === undefined ? {} : { forgetting: await upload(places, job.forgetting) };
  const order = {
    ...{ owner, model, trainingFile: data[0], validationFile: validation, method: "comparison" as const },
    ...{ hyperparameters: {}, seed: job.seed, suffix: null, metadata: null, priority: 0, limits: null, served: false },
    options: optionsOfRun({ job, data, validation, ...forgetting }),
  };
  const id = `ftjob-${createHash("sha256").update(JSON.stringify(order)).digest("hex").slice(0, 32)}`;
  const known = await places.jobs.find(owner, id);
  const queued: FineTuneJob = known?.job ?? { id, createdAt: now(), name: `compare:${id}`, ...order };
  if (!known) await places.jobs.order(queued);
  else if (known.end?.status === "failed") await places.jobs.reopen(queued);
  return queued;
}

/** Uploads a file to the store. Its id is a hash of its content. */
async function upload({ files }: JobPlaces, path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  const id = `file-${hash.digest("hex").slice(0, 32)}`;
  if (await files.find(owner, id)) return id;
  const content = createReadStream(path) as AsyncIterable<Uint8Array>;
  return (await files.add(owner, content, { filename: basename(path), purpose: "fine-tune", slot: null }, id)).id;
}

async function outcomeOf({ jobs }: JobPlaces, job: Job, { job: order, end }: JobState): Promise<Outcome> {
  const bytes = end?.status === "succeeded" ? await jobs.objects.get(measuredKey(order)) : null;
  if (bytes) return { job, measured: JSON.parse(new TextDecoder().decode(bytes)) as Measured };
  return { job, error: end?.reason ?? end?.error?.message ?? `the job was ${end?.status}` };
}
