import type { KeyBudgets } from "../../budgets/keyBudgets.ts";
import { StoredBytes } from "../../budgets/storedBytes.ts";
import { storeUses } from "../../budgets/storeUses.ts";
import { Uploads } from "../../budgets/uploads.ts";
import type { FileStore, StoredFile } from "../../jobs/fileStore.ts";
import type { FineTuneJob } from "../../jobs/job.ts";
import { jobCounter } from "../../jobs/jobCounts.ts";
import type { JobQueue } from "../../jobs/jobQueue.ts";
import type { JobStore } from "../../jobs/jobStore.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { addFiles } from "./files.ts";
import { addFineTunedModels } from "./fineTunedModels.ts";
import { addFineTuningJobs } from "./fineTuningJobs.ts";

/** Stores and queue for uploaded files and fine-tuning jobs. Workers of the queue do the training. */
export interface FineTuning {
  readonly jobs: JobStore;
  readonly files: FileStore;
  readonly queue: JobQueue;
  readonly limits?: Partial<FineTuningLimits>;
  /**
   * Checks a new job. Throws `JobRefused` for a job that workers would not train, or whose adapter the server would not
   * serve. `file` is the training file. Default: a job must not set options.
   */
  readonly checkOrder?: (job: FineTuneJob, budgets: KeyBudgets, file: StoredFile) => Promise<void>;
}

/** Limits on the upload of a file. */
export interface FineTuningLimits {
  /** Maximum number of bytes of an uploaded file. */
  readonly uploadBytes: number;
  /** Seconds without a byte after which an upload is aborted. */
  readonly uploadPauseSeconds: number;
}

/** Default limits of an upload. */
export const defaultFineTuningLimits: FineTuningLimits = {
  uploadBytes: 512e6,
  uploadPauseSeconds: 30,
};

/** Adds OpenAI's routes for files and fine-tunes. */
export function addFineTuning(app: ServingApp, context: AppContext, fineTuning: FineTuning): void {
  const limits = { ...defaultFineTuningLimits, ...fineTuning.limits };
  const uploads = new Uploads(fineTuning.files, new StoredBytes(fineTuning.files, fineTuning.jobs));
  context.budgetSources.push(storeUses({ jobs: fineTuning.jobs, uploads }));
  context.countJobs = jobCounter(fineTuning.jobs);
  addFiles(app, context, fineTuning, uploads, limits);
  addFineTuningJobs(app, context, fineTuning, uploads);
  addFineTunedModels(app, context, fineTuning.jobs.objects);
}
