/** The value of an option of a training. */
export type OptionValue = string | number | boolean;

/** A fine-tuning as it was ordered. Nothing of it changes later. */
export interface FineTuneJob {
  readonly id: string;
  /** The tenant that ordered it, and whose model it becomes. */
  readonly owner: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** The base model's name. */
  readonly model: string;
  /** The name of the adapter at the servers. */
  readonly name: string;
  /** False: the adapter stays in the store alone. */
  readonly served: boolean;
  readonly trainingFile: string;
  readonly validationFile: string | null;
  readonly method: JobKind;
  /** Hyperparameters as the order says them. */
  readonly hyperparameters: Readonly<Record<string, OptionValue>>;
  readonly seed: number;
  readonly suffix: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Options of the training by their names in `lowrank train`. */
  readonly options: Readonly<Record<string, OptionValue>>;
  /** Among jobs that wait, those of smaller numbers go first. */
  readonly priority: number;
  /** The limits of its owner when it was ordered; null: none. */
  readonly limits: JobLimits | null;
}

/** The limits of a job, which its worker holds it to; null: none. */
export interface JobLimits {
  readonly steps: number | null;
  /** Minutes of training, over all attempts. */
  readonly jobMinutes: number | null;
  /** Minutes of training of all jobs of the owner in a day of UTC. */
  readonly trainerMinutes: number | null;
}

/** The kinds of training. */
export type JobMethod = "supervised" | "dpo";

/** The kinds of jobs: trainings, and the measured runs of comparisons, which leave no adapter. */
export type JobKind = JobMethod | "comparison";

/** The way a job has come so far, as its worker tells it. */
export interface JobProgress {
  readonly status: "validating_files" | "running";
  readonly attempt: number;
  readonly step?: number;
  readonly steps?: number;
  /** Hyperparameters, with numbers in the place of "auto". */
  readonly hyperparameters?: Readonly<Record<string, OptionValue>>;
  /** Seconds since 1970. */
  readonly finishAt?: number;
}

/** The end of a job, which is written once. */
export interface JobEnd {
  readonly status: "succeeded" | "failed" | "cancelled";
  /** Seconds since 1970. */
  readonly at: number;
  readonly error?: JobError;
  /** The fault of a server or worker that ended it, for operators: it may have paths. */
  readonly reason?: string;
  readonly trainedTokens?: number;
  readonly resultFiles?: readonly string[];
  /** The hash of the adapter's files. */
  readonly version?: string;
  readonly method?: string;
}

/** The reason for which a job failed, as OpenAI's API has it. */
export interface JobError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
}

/** A job with all that is known of it. */
export interface JobState {
  readonly job: FineTuneJob;
  readonly progress: JobProgress | null;
  readonly paused: boolean;
  readonly end: JobEnd | null;
  /** True when nothing is left to do: a job that succeeded has its model in the manifest. */
  readonly settled: boolean;
}

/** An event in a job's log. */
export interface JobEvent {
  /** Tells events of one job apart: the same one is written again after a kill. */
  readonly key: string;
  /** Seconds since 1970. */
  readonly at: number;
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly type: "message" | "metrics";
  readonly data?: Readonly<Record<string, number>>;
}

/** A failure that no other attempt mends: the job's data or its options are wrong. */
export class JobRefused extends Error {
  readonly detail: JobError;

  constructor(detail: JobError) {
    super(detail.message);
    this.name = "JobRefused";
    this.detail = detail;
  }
}

/** The end of a run that was asked to stop before its job's end. */
export class JobStopped extends Error {
  constructor() {
    super("the run was stopped; its last checkpoint goes on");
    this.name = "JobStopped";
  }
}
