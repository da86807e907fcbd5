import { type FineTuneJob, runFolder } from "@lowrank/serve/jobs";
import type { Job } from "./job.ts";

/** A run of a comparison as a job of a queue has it: its files are in the store. */
interface QueuedRun {
  readonly job: Job;
  /** The stored files in the place of the job's data, and of its validation. */
  readonly data: readonly string[];
  readonly validation: string | null;
}

/** The option of a job that holds its run. */
const option = "comparison";

/** Returns the options of a job that runs this. */
export function optionsOfRun(run: QueuedRun): FineTuneJob["options"] {
  return { [option]: JSON.stringify(run) };
}

/** Returns the run of a job. */
export function runOf({ options }: FineTuneJob): QueuedRun {
  return JSON.parse(String(options[option])) as QueuedRun;
}

/** The key of the measurements of a job in the store. */
export function measuredKey({ id }: Pick<FineTuneJob, "id">): string {
  return `${runFolder(id)}/measured.json`;
}
