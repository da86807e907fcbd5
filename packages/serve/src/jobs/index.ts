// `@lowrank/serve/jobs`: fine-tunes as jobs on a queue, and the store that keeps them.

export { adapterFolder, runFolder } from "../storage/jobKeys.ts";
export { storeFiles } from "../storage/objects/storeFiles.ts";
export { type BullQueueOptions, bullQueue } from "./bullQueue.ts";
export { FileStore, type StoredFile } from "./fileStore.ts";
export {
  type FineTuneWorkerOptions,
  fineTuneWorker,
  type KeepFilledOptions,
  keepFilled,
  retryJob,
  type TrainedJob,
} from "./fineTuneWorker.ts";
export {
  type FineTuneJob,
  type JobEnd,
  type JobError,
  type JobEvent,
  type JobKind,
  type JobLimits,
  type JobMethod,
  type JobProgress,
  JobRefused,
  type JobState,
  JobStopped,
  type OptionValue,
} from "./job.ts";
export type { JobQueue, JobWorker, QueueLimits, Working } from "./jobQueue.ts";
export { JobStore, type OpenJob } from "./jobStore.ts";
export { localQueue } from "./localQueue.ts";
export { TrainerTime } from "./trainerTime.ts";
