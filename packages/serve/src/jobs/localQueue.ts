import { checkOptions } from "@lowrank/core/internal";
import { fairOrder } from "./fairOrder.ts";
import { JobStopped } from "./job.ts";
import {
  defaultQueueLimits,
  type JobQueue,
  type JobWorker,
  type QueueLimits,
  queueKeys,
  type Working,
} from "./jobQueue.ts";
import type { OpenJob } from "./jobStore.ts";

interface Waiting {
  readonly job: OpenJob;
  readonly number: number;
  readonly attempt: number;
  /** Earliest time of the job's next attempt, in milliseconds since 1970. */
  readonly due: number;
}

/** Creates a queue in this process, for one machine without Redis. */
export function localQueue(options: QueueLimits = {}): JobQueue {
  checkOptions("localQueue", options, queueKeys);
  return new LocalQueue({ ...defaultQueueLimits, ...options });
}

class LocalQueue implements JobQueue {
  readonly #limits: Required<QueueLimits>;
  #waiting: Waiting[] = [];
  readonly #running = new Map<string, { owner: string; stop: AbortController; ended: Promise<void> }>();
  /**
   * For each owner, the value of the counter `#starts` when a job of the owner last started. The owner with the
   * smallest value was served longest ago.
   */
  readonly #served = new Map<string, number>();
  #starts = 0;
  #worker: JobWorker | null = null;
  #added = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limits: Required<QueueLimits>) {
    this.#limits = limits;
  }

  async add(job: OpenJob): Promise<void> {
    if (this.#running.has(job.id) || this.#waiting.some((other) => other.job.id === job.id)) return;
    this.#enqueue({ job, number: this.#added++, attempt: 1, due: 0 });
  }

  async remove(id: string): Promise<void> {
    this.#waiting = this.#waiting.filter(({ job }) => job.id !== id);
  }

  async work(worker: JobWorker): Promise<Working> {
    if (this.#worker) throw new Error("localQueue: it has a worker already; raise atOnce to run more jobs at once");
    this.#worker = worker;
    this.#next();
    return {
      close: async () => {
        this.#worker = null;
        clearTimeout(this.#timer);
        for (const { stop } of this.#running.values()) stop.abort();
        await Promise.all([...this.#running.values()].map(({ ended }) => ended));
      },
    };
  }

  async counts(): Promise<{ waiting: number; running: number }> {
    return { waiting: this.#waiting.length, running: this.#running.size };
  }

  async close(): Promise<void> {
    this.#waiting = [];
    clearTimeout(this.#timer);
  }

  #enqueue(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#next();
  }

  /** Starts all jobs that may run now. */
  #next(): void {
    clearTimeout(this.#timer);
    // Uses one time for all: a job that becomes due later is covered by the timer.
    const now = Date.now();
    while (this.#worker && this.#running.size < this.#limits.atOnce) {
      const due = this.#waiting.filter((waiting) => waiting.due <= now && this.#hasRoom(waiting.job.owner));
      const [next] = fairOrder(due, this.#served);
      if (!next) break;
      this.#waiting = this.#waiting.filter((other) => other !== next);
      this.#start(next, this.#worker);
    }
    const soonest = Math.min(...this.#waiting.map(({ due }) => due).filter((due) => due > now));
    if (!this.#worker || !Number.isFinite(soonest)) return;
    this.#timer = setTimeout(() => this.#next(), soonest - now);
  }

  /**
   * Deletes the entries of `#served` for owners without jobs. If such an owner adds a job later, it counts as never
   * served.
   */
  #forgetServed(): void {
    const owners = new Set([...this.#running.values()].map(({ owner }) => owner));
    for (const { job } of this.#waiting) owners.add(job.owner);
    for (const owner of this.#served.keys()) if (!owners.has(owner)) this.#served.delete(owner);
  }

  #hasRoom(owner: string): boolean {
    return [...this.#running.values()].filter((other) => other.owner === owner).length < this.#limits.perOwner;
  }

  #start(waiting: Waiting, worker: JobWorker): void {
    const { job, attempt, number } = waiting;
    const { attempts, backoffMs } = this.#limits;
    this.#served.set(job.owner, this.#starts++);
    const stop = new AbortController();
    const run = async (): Promise<Waiting | null> => {
      try {
        await worker.run(job, attempt, stop.signal);
        return null;
      } catch (error) {
        if (error instanceof JobStopped) return { job, number, attempt, due: 0 };
        if (attempt < attempts) {
          return { job, number, attempt: attempt + 1, due: Date.now() + backoffMs * 2 ** (attempt - 1) };
        }
        // If the store does not answer, the job stays open and is found again.
        await worker.failed(job, error as Error).catch(() => undefined);
        return null;
      }
    };
    const ended = run().then((again) => {
      this.#running.delete(job.id);
      this.#forgetServed();
      if (again) this.#enqueue(again);
      else this.#next();
    });
    this.#running.set(job.id, { owner: job.owner, stop, ended });
  }
}
