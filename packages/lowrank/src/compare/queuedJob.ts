import { type FineTuneJob, runFolder } from "@lowrank/serve/jobs";
import type { Job } from "./job.ts";

/** Run of a comparison, as a queued job stores it in its options. The run's data files are in the store. */
interface QueuedRun {
  readonly job: Job;
  /** Ids of the stored files that replace the job's training data paths. */
  readonly data: readonly string[];
  /** Id of the stored file that replaces the job's validation path; null if the job has none. */
  readonly validation: string | null;
  /** Id of the stored file that replaces the job's path of earlier examples. Undefined if the job has none. */
  readonly forgetting?: string;
}

/** Option key under which a job stores its run as JSON. */
const option = "comparison";

/** Returns options for a queued job that contain a run. */
export function optionsOfRun(run: QueuedRun): FineTuneJob["options"] {
  return { [option]: JSON.stringify(run) };
}

/** Returns the run that the options of a queued job contain. */
export function runOf({ options }: FineTuneJob): QueuedRun {
  return JSON.parse(String(options[option])) as QueuedRun;
}

/** Returns the store key of a job's measurements. */
export function measuredKey({ id }: Pick<FineTuneJob, "id">): string {
  return `${runFolder(id)}/measured.json`;
}
