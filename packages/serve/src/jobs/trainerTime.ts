import { jobsFolder } from "../storage/adapterPlace.ts";
import { ownerKey } from "../storage/jobKeys.ts";
import { getJson, type ObjectStore } from "../storage/objects/objectStore.ts";
import type { FineTuneJob } from "./job.ts";

/** Stored seconds of training. */
interface StoredTime {
  readonly seconds: number;
}

type TimedJob = Pick<FineTuneJob, "id" | "owner">;

/**
 * Training time in the store: of each job over all its attempts, and of each owner by UTC day. A job runs on one worker
 * at a time, which alone writes its time.
 */
export class TrainerTime {
  readonly #objects: ObjectStore;
  readonly #now: () => number;

  /** `now` returns milliseconds since 1970. */
  constructor(objects: ObjectStore, now: () => number = Date.now) {
    this.#objects = objects;
    this.#now = now;
  }

  /** Returns the seconds of a job over all its attempts. */
  async ofJob({ id }: Pick<FineTuneJob, "id">): Promise<number> {
    return this.#read(jobKey(id));
  }

  /** Returns today's seconds of an owner's jobs. */
  async today(owner: string): Promise<number> {
    const found = await this.#objects.list(await this.#dayFolder(owner));
    const seconds = await Promise.all(found.map(({ key }) => this.#read(key)));
    return seconds.reduce((sum, each) => sum + each, 0);
  }

  /** Seconds until the next UTC day. */
  get secondsOfDayLeft(): number {
    return 86_400 - ((this.#now() / 1000) % 86_400);
  }

  /** Adds seconds of a job's training. */
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
