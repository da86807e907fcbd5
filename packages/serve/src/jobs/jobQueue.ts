import type { OptionKeys } from "@lowrank/core/internal";
import type { OpenJob } from "./jobStore.ts";

/** Worker that runs jobs of a queue. */
export interface JobWorker {
  /**
   * Runs a job to its end. Throws `JobStopped` if `signal` stopped it; the job then waits in the queue again. Any other
   * error counts as a failed attempt.
   */
  run(job: OpenJob, attempt: number, signal: AbortSignal): Promise<void>;
  /** Called for a job whose last attempt failed. */
  failed(job: OpenJob, error: Error): Promise<void>;
}

/** Handle of a worker that is running jobs of a queue. */
export interface Working {
  /** Takes no more jobs, stops the running ones, and resolves when they are back in the queue. */
  close(): Promise<void>;
}

/**
 * Queue that distributes jobs to workers. Owners take turns; jobs of one owner are ordered by `priority` (smallest
 * first), then by age. A queue that lost its data can be filled again from the job store.
 */
export interface JobQueue {
  /** Adds a job. Does nothing if the job already waits or runs. */
  add(job: OpenJob): Promise<void>;
  /**
   * Removes a waiting job. Does not interrupt a running job; its worker stops when it finds in the store that the job
   * has ended.
   */
  remove(id: string): Promise<void>;
  /** Starts running the queue's jobs with a worker. */
  work(worker: JobWorker): Promise<Working>;
  /** Returns the number of waiting and running jobs. */
  counts(): Promise<{ waiting: number; running: number }>;
  close(): Promise<void>;
}

/** Limits on running jobs and on attempts. */
export interface QueueLimits {
  /** Maximum number of jobs that one worker runs at once. Default 1. */
  readonly atOnce?: number;
  /** Maximum number of jobs of one owner that run at once, on all workers together. Default: no limit. */
  readonly perOwner?: number;
  /** Maximum number of attempts at a job, if attempts fail. Default 3. */
  readonly attempts?: number;
  /**
   * Milliseconds between the first and the second attempt. The delay doubles before each further attempt. Default 5000.
   */
  readonly backoffMs?: number;
}

/** Names of all limits of a queue. */
export const queueKeys: OptionKeys<QueueLimits> = { atOnce: true, perOwner: true, attempts: true, backoffMs: true };

/** Default limits of a queue. */
export const defaultQueueLimits: Required<QueueLimits> = {
  atOnce: 1,
  perOwner: Number.POSITIVE_INFINITY,
  attempts: 3,
  backoffMs: 5000,
};
