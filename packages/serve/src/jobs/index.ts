// `@lowrank/serve/jobs`: fine-tunes as jobs on a queue, and the store that keeps them.
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
export { adapterFolder, newId, now, runFolder } from "./jobKeys.ts";
export type { JobQueue, JobWorker, QueueLimits, Working } from "./jobQueue.ts";
export { JobStore, type OpenJob } from "./jobStore.ts";
export { localQueue } from "./localQueue.ts";
export { folderObjects } from "./objects/folderObjects.ts";
export type { ObjectStore, StoredObject } from "./objects/objectStore.ts";
export { s3Objects } from "./objects/s3Objects.ts";
export { storeFiles } from "./objects/storeFiles.ts";
export { TrainerTime } from "./trainerTime.ts";
