import { isModelOf, visibleAdapters } from "../../access/mayUse.ts";
import { type ServedAdapter, ServingError } from "../../api/api.ts";
import type { KeyBudgets } from "../../budgets/keyBudgets.ts";
import { storeUses } from "../../budgets/storeUses.ts";
import { StoredBytes, Uploads } from "../../budgets/uploads.ts";
import type { FileStore, StoredFile } from "../../jobs/fileStore.ts";
import type { FineTuneJob } from "../../jobs/job.ts";
import { jobCounter } from "../../jobs/jobCounts.ts";
import type { JobQueue } from "../../jobs/jobQueue.ts";
import type { JobStore } from "../../jobs/jobStore.ts";
import { type ObjectStore, removeAll } from "../../storage/objects/objectStore.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { HttpError, modelNotFound } from "../requests/httpError.ts";
import { addFiles } from "./files.ts";
import { addFineTuningJobs } from "./fineTuningJobs.ts";

/** Stores and queue for uploaded files and fine-tuning jobs. Workers of the queue do the training. */
export interface FineTuning {
  readonly jobs: JobStore;
  readonly files: FileStore;
  readonly queue: JobQueue;
  readonly limits?: Partial<FineTuningLimits>;
  /**
   * Checks a new job. Throws `JobRefused` for a job that workers would not train, or whose adapter the server would not
   * serve. `file` is the training file. If this function is absent, jobs with `options` are refused.
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

/** Pattern for the folders of adapters that fine-tuning runs write: the final adapter and checkpoints. */
const runAdapter = /^\.fine-tuning\/runs\/ftjob-[a-z0-9]+\/(adapter|checkpoint-\d+)$/;

/** Adds `DELETE /v1/models/{id}` for models that jobs of the key have made. */
function addFineTunedModels(app: ServingApp, context: AppContext, objects: ObjectStore): void {
  /** Removes the files of a model, unless another model name refers to the same files. */
  const removeFiles = async ({ name, source }: ServedAdapter): Promise<void> => {
    if (!runAdapter.test(source)) return;
    const others = (await context.engine.adapters()).filter((other) => other.name !== name);
    if (others.some((other) => other.source === source)) return;
    await removeAll(objects, `${source}/`);
  };
  addRoute(app, context, {
    method: "delete",
    path: "/v1/models/{id}",
    params: ["id"],
    summary: "Deletes a fine-tuned model of the key, with its files.",
    answer: async (c) => {
      const id = c.req.param("id") as string;
      const caller = c.get("caller");
      const model = visibleAdapters(await context.engine.adapters(), caller).find(({ name }) => name === id);
      if (!model) throw modelNotFound(id);
      if (!isModelOf(caller.tenant, id)) {
        const message = `The model \`${id}\` was not made by a job of this key, which alone could be deleted.`;
        throw new HttpError(403, message, { type: "permission_error", code: "forbidden" });
      }
      try {
        await context.engine.unloadAdapter(id, { by: caller });
      } catch (error) {
        throw error instanceof ServingError && error.code === "not_found" ? modelNotFound(id) : error;
      }
      // The model is already removed. Remaining files count as stored bytes of the key.
      await removeFiles(model).catch((error: Error) => {
        context.logger.warn({ model: id, reason: error.message }, "some files of a deleted model could not be removed");
      });
      return c.json({ id, object: "model", deleted: true });
    },
  });
}
