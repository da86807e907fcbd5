import type { FineTuning, ServingLogger } from "@lowrank/serve/http";
import {
  bullQueue,
  fineTuneWorker,
  type JobQueue,
  JobRefused,
  JobStopped,
  keepFilled,
  localQueue,
} from "@lowrank/serve/jobs";
import { isEncoder } from "../../cli/loading/modelConfig.ts";
import { jobPlaces } from "../../fineTuning/jobPlaces.ts";
import { clearStore } from "../../fineTuning/openStore.ts";
import { OrderChecks } from "../../fineTuning/orderChecks.ts";
import { trainInProcess } from "../../fineTuning/trainInProcess.ts";
import type { ServeSettings } from "./serveSettings.ts";

/** Milliseconds between checks for a cancelled job. */
const pollMs = 1000;

/** Store and job queue for the fine-tuning jobs of a server. */
export interface ServedFineTuning {
  readonly fineTuning: FineTuning;
  /** Stops the jobs that train on this machine. Each saves a checkpoint. */
  close(): Promise<void>;
}

/**
 * Opens the store and the job queue of a server. With the setting `queue`, the queue is on Redis and separate workers
 * train. Otherwise it is in this process, and jobs train on this machine. Returns null if the settings turn fine-tuning
 * off.
 */
export async function startFineTuning(
  settings: ServeSettings,
  plugins: readonly string[],
  logger: ServingLogger,
): Promise<ServedFineTuning | null> {
  const { queue: url, store, "fine-tuning": here, "served-model-name": model } = settings;
  if (store !== undefined) await clearStore(store);
  if (store === undefined || (url === undefined && !here)) return null;
  if (await isEncoder(settings.model)) {
    const option = here ? "--fine-tuning" : "--queue";
    throw new Error(
      `${settings.model}: this model is an encoder, and only models that generate text can be fine-tuned; leave ${option} out`,
    );
  }
  const { jobs, files, place } = jobPlaces(store);
  const onError = (error: Error) => logger.warn({ reason: error.message }, "queue");
  const queue: JobQueue = url === undefined ? localQueue({}) : await bullQueue({ url, model, onError });
  const machine = { threads: settings.threads, wideSimd: settings["wide-simd"], yields: true, pollMs };
  const working =
    url === undefined
      ? await queue.work(
          fineTuneWorker({
            ...{ store: jobs, place },
            train: async (job, attempt, signal) => {
              logger.info({ job: job.id, tenant: job.owner, attempt }, "training");
              const order = { job, attempt, store, model: settings.model, ...machine };
              const trained = await trainInProcess(order, plugins, signal).catch((error: Error) => {
                const isOwn = error instanceof JobRefused || error instanceof JobStopped;
                if (!isOwn) logger.error({ job: job.id, tenant: job.owner, attempt, err: error }, "training failed");
                throw error;
              });
              logger.info({ job: job.id, tenant: job.owner, model: job.name }, "trained");
              return trained;
            },
          }),
        )
      : null;
  const stopFilling = keepFilled(queue, jobs, model, { onError });
  const checks = new OrderChecks(
    {
      model: settings.model,
      maxLoraRank: settings["max-lora-rank"],
      adapterMemory: settings["adapter-memory"],
    },
    plugins,
  );
  return {
    fineTuning: {
      ...{ jobs, files, queue },
      limits: { uploadBytes: settings["max-upload"] },
      checkOrder: (job, budgets, file) => checks.check({ job, budgets, file }),
    },
    close: async () => {
      stopFilling();
      await checks.close();
      await working?.close();
      await queue.close();
    },
  };
}
