import { jobsFolder } from "../storage/adapterPlace.ts";
import { ownerKey } from "../storage/jobKeys.ts";
import { getJson, type ObjectStore } from "../storage/objects/objectStore.ts";
import type { FineTuneJob } from "./job.ts";

/** Content of a stored object that counts seconds of training. */
interface StoredTime {
  readonly seconds: number;
}

type TimedJob = Pick<FineTuneJob, "id" | "owner">;

/**
 * Stores how many seconds of training were used: by each job over all its attempts, and by each owner per UTC day. Only
 * the worker that runs a job adds time for it, so an object never has two writers.
 */
export class TrainerTime {
  readonly #objects: ObjectStore;
  readonly #now: () => number;

  /** `now` returns milliseconds since 1970. */
  constructor(objects: ObjectStore, now: () => number = Date.now) {
    this.#objects = objects;
    this.#now = now;
  }

  /** Returns the seconds for which a job has trained, over all its attempts. */
  async ofJob({ id }: Pick<FineTuneJob, "id">): Promise<number> {
    return this.#read(jobKey(id));
  }

  /** Returns the seconds for which all jobs of an owner have trained today (UTC). */
  async today(owner: string): Promise<number> {
    const found = await this.#objects.list(await this.#dayFolder(owner));
    const seconds = await Promise.all(found.map(({ key }) => this.#read(key)));
    return seconds.reduce((sum, each) => sum + each, 0);
  }

  /** Seconds until the next UTC day. */
  get secondsOfDayLeft(): number {
    return 86_400 - ((this.#now() / 1000) % 86_400);
  }

  /** Adds seconds of training to the job's total and to its owner's total of the current UTC day. */
  async add({ id, owner }: TimedJob, seconds: number): Promise<void> {
    for (const key of [jobKey(id), `${await this.#dayFolder(owner)}${id}`]) {
      const total: StoredTime = { seconds: (await this.#read(key)) + seconds };
      await this.#objects.put(key, JSON.stringify(total));
    }
  }

  async #read(key: string): Promise<number> {
    return (await getJson<StoredTime>(this.#objects, key))?.seconds ?? 0;
  }

  async #dayFolder(owner: string): Promise<string> {
    const day = new Date(this.#now()).toISOString().slice(0, 10);
    return `${jobsFolder}/time/${await ownerKey(owner)}/${day}/`;
  }
}

function jobKey(id: string): string {
  return `${jobsFolder}/time/jobs/${id}`;
}
