import { now } from "@lowrank/serve/internal";
import type { FineTuneJob, JobEvent, JobStore, StoredFile } from "@lowrank/serve/jobs";
import type { JobPlaces } from "./jobPlaces.ts";

/** Minimum number of milliseconds between two writes of the log by `tick`. */
const flushMs = 1000;

/**
 * Writes the events of a training run to the store. All events between two checkpoints are stored in one object. A run
 * that resumes from a checkpoint overwrites the events after that checkpoint.
 */
export class JobLog {
  readonly #store: JobStore;
  readonly #job: FineTuneJob;
  #step: number;
  #events: JobEvent[] = [];
  #written = 0;
  #last = 0;

  /** Starts the log after the checkpoint of training step `step`. For a new run, `step` is 0. */
  constructor(store: JobStore, job: FineTuneJob, step: number) {
    this.#store = store;
    this.#job = job;
    this.#step = step;
  }

  /** Adds an event to the log. `key` identifies the event within the job. The next `flush` writes the event. */
  add(key: string, event: Pick<JobEvent, "message"> & Partial<JobEvent>): void {
    this.#events.push({ key, at: now(), level: "info", type: event.data ? "metrics" : "message", ...event });
  }

  /** Writes all pending events if the last write was more than a second ago. */
  async tick(): Promise<void> {
    if (performance.now() - this.#last > flushMs) await this.flush();
  }

  /** Writes all pending events. */
  async flush(): Promise<void> {
    this.#last = performance.now();
    if (this.#written === this.#events.length) return;
    const [events, step] = [[...this.#events], this.#step];
    this.#written = events.length;
    await this.#store.writeLog(this.#job, step, events);
  }

  /**
   * Writes all pending events. Later events are written to a new object, for the time after the checkpoint of step
   * `step`.
   */
  async turn(step: number): Promise<void> {
    await this.flush();
    this.#step = step;
    this.#events = [];
    this.#written = 0;
  }
}

/** Returns the default number of steps between two checkpoints of a run: a tenth of its steps, at most 100. */
export function checkpointEvery(steps: number): number {
  return Math.min(100, Math.ceil(steps / 10));
}

/**
 * Estimates the remaining seconds of a run. `milliseconds` is the time from the start of step `first` to the end of
 * step `step`; `last` is the final step.
 */
export function secondsLeft(milliseconds: number, [first, step, last]: readonly [number, number, number]): number {
  return Math.ceil((milliseconds / 1000 / (step - first + 1)) * (last - step));
}

const columns = ["step", "train_loss", "learning_rate", "valid_loss"] as const;

/**
 * Stores the metrics in a job's log as a CSV file that belongs to the job's owner. A repeated call replaces the same
 * file.
 */
export async function resultFile({ jobs, files }: JobPlaces, job: FineTuneJob): Promise<StoredFile> {
  const text = metricsCsv(await jobs.log(job));
  const content = async function* () {
    yield new TextEncoder().encode(text);
  };
  const facts = { filename: "step_metrics.csv", purpose: "fine-tune-results", slot: null } as const;
  return files.add(job.owner, content(), facts, `file-${job.id.slice(job.id.indexOf("-") + 1)}`);
}

/** Returns a CSV text with one line per step: the step, its training loss, learning rate and validation loss. */
function metricsCsv(log: readonly JobEvent[]): string {
  const steps = new Map<number, Record<string, number>>();
  for (const { data } of log) {
    if (data?.step === undefined) continue;
    steps.set(data.step, { ...steps.get(data.step), ...data });
  }
  const sorted = [...steps.values()].sort((a, b) => a.step - b.step);
  const lines = sorted.map((row) => columns.map((column) => row[column] ?? "").join(","));
  return `${[columns.join(","), ...lines].join("\n")}\n`;
}
