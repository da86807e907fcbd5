import { jobsFolder } from "../storage/adapterPlace.ts";
import { isId, openFolder, ownerKey, runFolder } from "../storage/jobKeys.ts";
import { getJson, getText, type ObjectStore } from "../storage/objects/objectStore.ts";
import type { FineTuneJob, JobEnd, JobEvent, JobProgress, JobState } from "./job.ts";

/** Prefix of job ids. */
export const jobPrefix = "ftjob";

/**
 * Compares ids of jobs, so that sorting puts the oldest job first. The locale is fixed, so the order is the same on all
 * machines.
 */
export const compareIds: (a: string, b: string) => number = new Intl.Collator("en").compare;

/** Entry of a queue, which refers to a job that has not ended. */
export interface OpenJob {
  readonly id: string;
  readonly owner: string;
  readonly priority: number;
}

/**
 * Stores jobs and their states. Does not run jobs: a queue assigns them to workers. The settings and the final status
 * of a job are each written once. If two processes end a job at the same time, only the first final status is stored.
 */
export class JobStore {
  readonly objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.objects = objects;
  }

  /** Stores a new job, and adds it to the list of open jobs. */
  async order(job: FineTuneJob): Promise<void> {
    await this.objects.put(await orderKey(job.owner, job.id), JSON.stringify(job));
    await this.#open(job);
  }

  /** Returns an owner's job; null if it does not exist or belongs to another owner. */
  async find(owner: string, id: string): Promise<JobState | null> {
    if (!isId(id, jobPrefix)) return null;
    const job = await getJson<FineTuneJob>(this.objects, await orderKey(owner, id));
    return job && this.state(job);
  }

  /** Returns the state of a job. */
  async state(job: FineTuneJob): Promise<JobState> {
    const [progress, paused, end] = await Promise.all([
      getJson<JobProgress>(this.objects, keyOf(job, "progress.json")),
      this.objects.get(keyOf(job, "paused")),
      this.end(job),
    ]);
    const settled = end !== null && (await this.objects.get(openFolder(job.model) + job.id)) === null;
    return { job, progress, paused: paused !== null, end, settled };
  }

  /** Returns the end of a job; null if it has not ended. */
  end(job: Pick<FineTuneJob, "id">): Promise<JobEnd | null> {
    return getJson<JobEnd>(this.objects, keyOf(job, "end.json"));
  }

  /** Returns the ids of an owner's jobs, newest first. */
  async ids(owner: string): Promise<string[]> {
    const start = await orderKey(owner, "");
    const found = await this.objects.list(start.slice(0, -".json".length));
    return found.map(({ key }) => key.slice(key.lastIndexOf("/") + 1, -".json".length)).reverse();
  }

  /** Returns the jobs on a model that have not ended, oldest first. */
  async open(model: string): Promise<OpenJob[]> {
    const found = await this.objects.list(openFolder(model));
    const jobs = await Promise.all(found.map(({ key }) => getJson<OpenJob>(this.objects, key)));
    return jobs.filter((job) => job !== null);
  }

  /** Returns the failed jobs on a model, of all owners, oldest first. */
  async failed(model: string): Promise<JobState[]> {
    const found = await this.objects.list(`${jobsFolder}/jobs/`);
    const states: JobState[] = [];
    for (const { key } of found) {
      const job = await getJson<FineTuneJob>(this.objects, key);
      if (job?.model !== model) continue;
      const state = await this.state(job);
      if (state.end?.status === "failed") states.push(state);
    }
    return states.sort((a, b) => compareIds(a.job.id, b.job.id));
  }

  async #open({ id, owner, model, priority }: FineTuneJob): Promise<void> {
    await this.objects.put(openFolder(model) + id, JSON.stringify({ id, owner, priority } satisfies OpenJob));
  }

  /**
   * Stores the final status of a job. If the job has already ended, changes nothing. Returns the final status that is
   * stored.
   */
  async finish(job: FineTuneJob, end: JobEnd): Promise<JobEnd> {
    if (await this.objects.create(keyOf(job, "end.json"), JSON.stringify(end))) return end;
    return (await this.end(job)) ?? end;
  }

  /** Removes an ended job from the list of open jobs. */
  close({ id, model }: FineTuneJob): Promise<void> {
    return this.objects.remove(openFolder(model) + id);
  }

  /** Adds a failed job to the list of open jobs again, so that workers can resume it. */
  async reopen(job: FineTuneJob): Promise<void> {
    // Removed first: otherwise a worker could find the job open with its old end, and close it.
    await this.objects.remove(keyOf(job, "end.json"));
    await this.#open(job);
  }

  progress(job: FineTuneJob, progress: JobProgress): Promise<void> {
    return this.objects.put(keyOf(job, "progress.json"), JSON.stringify(progress));
  }

  /** Pauses a job. */
  pause(job: FineTuneJob): Promise<void> {
    return this.objects.put(keyOf(job, "paused"), "");
  }

  /** Resumes a paused job. */
  unpause(job: FineTuneJob): Promise<void> {
    return this.objects.remove(keyOf(job, "paused"));
  }

  /** Returns true if a worker should stop training the job, because the job has ended or is paused. */
  async isStopped(job: FineTuneJob): Promise<boolean> {
    const { end, paused } = await this.state(job);
    return end !== null || paused;
  }

  /**
   * Writes the events that a worker logged between two checkpoints. `step` is the step of the first of these
   * checkpoints. If training resumes from that checkpoint, its new events replace these.
   */
  writeLog(job: FineTuneJob, step: number, events: readonly JobEvent[]): Promise<void> {
    const name = `log/${String(step).padStart(9, "0")}.jsonl`;
    return this.objects.put(keyOf(job, name), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  }

  /** Returns the events of a job's log in order, without duplicates. */
  async log(job: FineTuneJob): Promise<JobEvent[]> {
    const events = new Map<string, JobEvent>();
    for (const { key } of await this.objects.list(keyOf(job, "log/"))) {
      for (const line of ((await getText(this.objects, key)) ?? "").split("\n")) {
        if (line === "") continue;
        const event = JSON.parse(line) as JobEvent;
        events.set(event.key, event);
      }
    }
    return [...events.values()];
  }
}

function keyOf({ id }: Pick<FineTuneJob, "id">, name: string): string {
  return `${runFolder(id)}/${name}`;
}

async function orderKey(owner: string, id: string): Promise<string> {
  return `${jobsFolder}/jobs/${await ownerKey(owner)}/${id}.json`;
}
