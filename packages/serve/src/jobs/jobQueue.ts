import type { OptionKeys } from "@lowrank/core";
import type { OpenJob } from "./jobStore.ts";

/** The code that runs jobs, whoever hands them out. */
export interface JobWorker {
  /**
   * Runs a job to its end. Throws `JobStopped` where `signal` stopped it: the job then goes back to
   * those that wait. Any other error is a failed attempt.
   */
  run(job: OpenJob, attempt: number, signal: AbortSignal): Promise<void>;
  /** Is told of a job whose last attempt failed. */
  failed(job: OpenJob, error: Error): Promise<void>;
}

/** Work that goes on until it is closed. */
export interface Working {
  /** Takes no more jobs, stops those that run, and resolves when they have gone back. */
  close(): Promise<void>;
}

/**
 * Hands out jobs. Owners take turns; jobs of one owner are ordered by `priority` (the smallest
 * first), then by age. All its data are in the store too, so a queue that lost its data is filled
 * from the store.
 */
export interface JobQueue {
  /** Adds a job; one that waits or runs already stays as it is. */
  add(job: OpenJob): Promise<void>;
  /** Takes out a job that waits. One that runs goes on, and finds its end in the store. */
  remove(id: string): Promise<void>;
  /** Runs jobs from now on. */
  work(worker: JobWorker): Promise<Working>;
  /** Counts jobs by what they do. */
  counts(): Promise<{ waiting: number; running: number }>;
  close(): Promise<void>;
}

/** Limits of a queue. */
export interface QueueLimits {
  /** Jobs that one worker runs at once. Default 1. */
  readonly atOnce?: number;
  /** Jobs of one owner that run at once, on all workers together. Default: any number. */
  readonly perOwner?: number;
  /** Attempts at a job that fails. Default 3. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt; each further wait is twice as long. Default 5000. */
  readonly backoffMs?: number;
}

/** The names of all limits of a queue. */
export const queueKeys: OptionKeys<QueueLimits> = { atOnce: true, perOwner: true, attempts: true, backoffMs: true };

/** The limits of a queue that names none. */
export const defaultQueueLimits: Required<QueueLimits> = {
  atOnce: 1,
  perOwner: Number.POSITIVE_INFINITY,
  attempts: 3,
  backoffMs: 5000,
};
