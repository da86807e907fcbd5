import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type FineTuneJob, JobRefused, JobStopped, type TrainedJob } from "@lowrank/serve/jobs";
import type { Job } from "../compare/job.ts";
import { measuredKey, runOf } from "../compare/queuedJob.ts";
import { runJob } from "../compare/runJob.ts";
import type { Order } from "./fineTune.ts";
import { type JobPlaces, jobPlaces } from "./jobPlaces.ts";

/**
 * Trains and measures one run of a comparison that was queued as a job. Writes its measurements to the store. Throws
 * `JobRefused` for a run that cannot be executed, and `JobStopped` if `signal` stops it. A stopped run later starts
 * from the beginning.
 */
export async function measureQueued(order: Order, signal: AbortSignal): Promise<TrainedJob> {
  if (signal.aborted) throw new JobStopped();
  const places = jobPlaces(order.store);
  const scratch = await mkdtemp(join(tmpdir(), "lowrank-run-"));
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = () => reject(new JobStopped());
  signal.addEventListener("abort", stop);
  try {
    return await Promise.race([stopped, measure(order, places, scratch)]);
  } finally {
    signal.removeEventListener("abort", stop);
    await rm(scratch, { recursive: true });
  }
}

async function measure(order: Order, places: JobPlaces, scratch: string): Promise<TrainedJob> {
  const { job, attempt, model, threads } = order;
  await places.jobs.progress(job, { status: "running", attempt });
  const here = await jobHere(job, places, scratch);
  const measured = await runJob({ ...here, model, threads }, () => {}).catch((error: Error) => {
    throw new JobRefused({ code: "run_failed", message: error.message, param: null });
  });
  await places.jobs.objects.put(measuredKey(job), JSON.stringify(measured));
  return { trainedTokens: 0, resultFiles: [], writesAdapter: false };
}

/** Downloads the files of a queued run to the folder `scratch`, and returns the run with their paths. */
async function jobHere(job: FineTuneJob, { files }: JobPlaces, scratch: string): Promise<Job> {
  const { job: run, data: ids, validation, forgetting } = runOf(job);
  if (run.data.kind !== "files") throw new Error("the queued run of a comparison has no data files");
  const fetched = async (id: string, name: string, folder: string): Promise<string> => {
    const found = await files.find(job.owner, id);
    if (!found)
      throw new JobRefused({ code: "missing_file", message: `${name} is no longer in the store`, param: null });
    const path = join(scratch, folder, basename(name));
    await mkdir(join(scratch, folder));
    await pipeline(Readable.from(files.content(found)), createWriteStream(path));
    return path;
  };
  const names = run.data.data;
  const data: string[] = [];
  for (const [i, id] of ids.entries()) data.push(await fetched(id, names[i], String(i)));
  const { validation: name } = run.data;
  const replaced =
    validation === null || name === undefined ? {} : { validation: await fetched(validation, name, "validation") };
  const here = { ...run, data: { ...run.data, data, ...replaced } };
  if (forgetting === undefined || run.forgetting === undefined) return here;
  return { ...here, forgetting: await fetched(forgetting, run.forgetting, "forgetting") };
}
