import { jobsFolder } from "../storage/adapterPlace.ts";
import { ownerKey } from "../storage/jobKeys.ts";
import { getJson, type ObjectStore } from "../storage/objects/objectStore.ts";
import type { FineTuneJob } from "./job.ts";

/** Seconds of training as they are stored. */
interface StoredTime {
  readonly seconds: number;
}

type TimedJob = Pick<FineTuneJob, "id" | "owner">;

/**
 * The time that trainers spent, in the store: of each job over all its attempts, and of each owner
 * by days of UTC. A job is at one worker at a time, which alone writes its time.
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

  /** Returns the seconds of an owner's jobs today. */
  async today(owner: string): Promise<number> {
    const found = await this.#objects.list(await this.#dayFolder(owner));
    const seconds = await Promise.all(found.map(({ key }) => this.#read(key)));
    return seconds.reduce((sum, each) => sum + each, 0);
  }

  /** Returns the seconds until the next day. */
  get secondsOfDayLeft(): number {
    return 86_400 - ((this.#now() / 1000) % 86_400);
  }

  /** Counts seconds that a job has trained. */
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
