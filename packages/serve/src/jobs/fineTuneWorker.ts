import { checkOptions } from "@lowrank/core/internal";
import type { AdapterPlace } from "../storage/adapterPlace.ts";
import { now } from "../storage/jobKeys.ts";
import { operatorText } from "../storage/storeFailure.ts";
import { type FineTuneJob, type JobEnd, JobRefused } from "./job.ts";
import type { JobQueue, JobWorker } from "./jobQueue.ts";
import type { JobStore, OpenJob } from "./jobStore.ts";
import { adapterVersion, publish } from "./publish.ts";
import { timedRun } from "./timedRun.ts";
import { TrainerTime } from "./trainerTime.ts";

/** Result of a training that has ended successfully. The adapter is already in the store. */
export interface TrainedJob {
  readonly trainedTokens: number;
  readonly resultFiles: readonly string[];
  /** False for a job without an adapter, such as a comparison. */
  readonly writesAdapter: boolean;
}

/** Options for `fineTuneWorker`. */
export interface FineTuneWorkerOptions {
  readonly store: JobStore;
  /** Storage from which servers load adapters. It must be the folder or bucket that also contains the job store. */
  readonly place: AdapterPlace;
  /**
   * Trains a job from its last checkpoint, and writes the adapter to the store. Throws `JobRefused` for a job that can
   * never be trained, and `JobStopped` if it was stopped.
   */
  train(job: FineTuneJob, attempt: number, signal: AbortSignal): Promise<TrainedJob>;
}

/** Returns the worker that runs fine-tuning jobs, for any queue. */
export function fineTuneWorker(options: FineTuneWorkerOptions): JobWorker {
  checkOptions("fineTuneWorker", options, { store: true, place: true, train: true });
  const { store, place, train } = options;
  const time = new TrainerTime(store.objects);
  /**
   * Records the end of a job, and removes the job from the list of open jobs. If the job succeeded and its adapter is
   * to be served, also adds the adapter to the manifest.
   */
  const settle = async (job: FineTuneJob, end: JobEnd): Promise<void> => {
    const stands = await store.finish(job, end);
    if (stands.status === "succeeded" && job.served) await publish(place, store, job);
    await store.close(job);
  };
  const failure = (error: JobEnd["error"]): JobEnd => ({ status: "failed", at: now(), error });

  return {
    async run({ owner, id }, attempt, signal) {
      const state = await store.find(owner, id);
      if (!state || state.paused) return;
      const { job, end } = state;
      if (end) return settle(job, end);
      try {
        const { writesAdapter, ...trained } = await timedRun(time, job, signal, (limited) => {
          return train(job, attempt, limited);
        });
        const version = writesAdapter ? await adapterVersion(place, job) : {};
        await settle(job, { status: "succeeded", at: now(), ...trained, ...version });
      } catch (error) {
        if (!(error instanceof JobRefused)) throw error;
        await settle(job, failure(error.detail));
      }
    },
    async failed({ owner, id }, error) {
      const state = await store.find(owner, id);
      if (!state) return;
      const message = "The last attempt failed by a fault of the server; its operator can read the reason.";
      const end = failure({ code: "server_error", message, param: null });
      await settle(state.job, { ...end, reason: operatorText(error) });
    },
  };
}

/** Options for `keepFilled`. */
export interface KeepFilledOptions {
  /** Milliseconds between scans of the store. Default 30000. */
  readonly everyMs?: number;
  /** Receives temporary failures of store and queue. Default: `console.warn`. */
  readonly onError?: (error: Error) => void;
}

/**
 * Adds the open jobs of a model to a queue, now and periodically. This fills a queue that has lost its data. It also
 * adds jobs whose server was killed after it wrote the job to the store and before it added the job to the queue.
 * Returns a function that stops the periodic scans.
 */
export function keepFilled(
  queue: JobQueue,
  store: JobStore,
  model: string,
  options: KeepFilledOptions = {},
): () => void {
  checkOptions("keepFilled", options, { everyMs: true, onError: true });
  const { everyMs = 30_000, onError = (error) => console.warn(error.message) } = options;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  const fill = async () => {
    try {
      for (const job of await store.open(model)) {
        if (ended) return;
        await queue.add(job);
      }
    } catch (error) {
      onError(error as Error);
    }
    if (ended) return;
    timer = setTimeout(fill, everyMs);
    if (typeof timer === "object") timer.unref();
  };
  void fill();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

/** Runs a failed job again, from its last checkpoint. Returns false for a job that has not failed. */
export async function retryJob(store: JobStore, queue: JobQueue, open: OpenJob): Promise<boolean> {
  const state = await store.find(open.owner, open.id);
  if (state?.end?.status !== "failed") return false;
  await store.reopen(state.job);
  await queue.add(open);
  return true;
}
