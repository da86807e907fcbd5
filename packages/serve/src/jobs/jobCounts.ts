import { jobsFolder } from "../storage/adapterPlace.ts";
import { getJson } from "../storage/objects/objectStore.ts";
import type { FineTuneJob, JobState } from "./job.ts";
import type { JobStore } from "./jobStore.ts";

/** All statuses of a job, named as in OpenAI's API. */
const statuses = ["queued", "validating_files", "running", "paused", "succeeded", "failed", "cancelled"] as const;

/** Number of jobs that have each status, by status. */
export type JobCounts = Readonly<Record<(typeof statuses)[number], number>>;

/**
 * Returns the status of a job. A job that ended with success counts as succeeded only once its model is in the
 * manifest.
 */
export function statusOf({ progress, paused, end, settled }: JobState): (typeof statuses)[number] {
  const ended = end?.status === "succeeded" && !settled ? undefined : end?.status;
  return ended ?? (paused ? "paused" : (progress?.status ?? "queued"));
}

/** Milliseconds for which counts are cached, since counting reads many objects. */
const rememberMs = 10_000;

/** Returns a function that counts the jobs of all owners in a store by status. */
export function jobCounter(jobs: JobStore): () => Promise<JobCounts> {
  /** Jobs, by the key of the job's object. They are cached, since a job does not change. */
  const orders = new Map<string, FineTuneJob>();
  /** Final statuses, by the key of the job's object. They are cached, since a final status does not change. */
  const settled = new Map<string, (typeof statuses)[number]>();
  let known: { readonly counts: Promise<JobCounts>; readonly until: number } | null = null;

  const statusAt = async (key: string): Promise<(typeof statuses)[number] | null> => {
    const job = orders.get(key) ?? (await getJson<FineTuneJob>(jobs.objects, key));
    if (job === null) return null;
    orders.set(key, job);
    const status = statusOf(await jobs.state(job));
    // A failed job may be reopened.
    if (status === "succeeded" || status === "cancelled") settled.set(key, status);
    return status;
  };
  const read = async (): Promise<JobCounts> => {
    const counts = Object.fromEntries(statuses.map((status) => [status, 0])) as Record<keyof JobCounts, number>;
    const found = await jobs.objects.list(`${jobsFolder}/jobs/`);
    const keys = new Set(found.map(({ key }) => key));
    for (const map of [orders, settled]) for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    for (const key of keys) {
      const status = settled.get(key) ?? (await statusAt(key));
      if (status !== null) counts[status] += 1;
    }
    return counts;
  };
  return () => {
    if (known && known.until > Date.now()) return known.counts;
    const counts = read();
    known = { counts, until: Date.now() + rememberMs };
    counts.catch(() => {
      known = null;
    });
    return counts;
  };
}
