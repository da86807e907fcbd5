import { type FineTuneJob, type JobEvent, type JobStore, now } from "@lowrank/serve/jobs";

/** Milliseconds between two writings of a log that grows. */
const flushMs = 1000;

/**
 * Writes the events of a run. Those between two checkpoints are one object, so that a run that goes
 * on from a checkpoint writes what follows it anew.
 */
export class JobLog {
  readonly #store: JobStore;
  readonly #job: FineTuneJob;
  #step: number;
  #events: JobEvent[] = [];
  #written = 0;
  #last = 0;

  /** Begins after the checkpoint of this step; 0 is the start. */
  constructor(store: JobStore, job: FineTuneJob, step: number) {
    this.#store = store;
    this.#job = job;
    this.#step = step;
  }

  /** Adds an event, which is written with the next `flush`. */
  add(key: string, event: Pick<JobEvent, "message"> & Partial<JobEvent>): void {
    this.#events.push({ key, at: now(), level: "info", type: event.data ? "metrics" : "message", ...event });
  }

  /** Writes what has not been written, if the last time is a second ago. */
  async tick(): Promise<void> {
    if (performance.now() - this.#last > flushMs) await this.flush();
  }

  /** Writes what has not been written. */
  async flush(): Promise<void> {
    this.#last = performance.now();
    if (this.#written === this.#events.length) return;
    const [events, step] = [[...this.#events], this.#step];
    this.#written = events.length;
    await this.#store.writeLog(this.#job, step, events);
  }

  /** Writes all, and begins a new part, of the events after this step. */
  async turn(step: number): Promise<void> {
    await this.flush();
    this.#step = step;
    this.#events = [];
    this.#written = 0;
  }
}
