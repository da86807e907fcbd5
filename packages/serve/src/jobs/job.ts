/** Value of a training option. */
export type OptionValue = string | number | boolean;

/** Settings of a fine-tuning job, as the client requested them. They never change. */
export interface FineTuneJob {
  readonly id: string;
  /** Tenant that requested the job and owns its model. */
  readonly owner: string;
  /** Time of the client's request, in seconds since 1970. */
  readonly createdAt: number;
  /** Name of the base model. */
  readonly model: string;
  /** Model name by which clients use the trained adapter on the servers. */
  readonly name: string;
  /** False if the adapter is kept in the store only and not served. */
  readonly served: boolean;
  readonly trainingFile: string;
  readonly validationFile: string | null;
  readonly method: JobKind;
  /** Hyperparameters that the client sent, by the names of OpenAI's API; a value can be "auto". */
  readonly hyperparameters: Readonly<Record<string, OptionValue>>;
  readonly seed: number;
  readonly suffix: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Training options, by the names of the flags of `lowrank train`. */
  readonly options: Readonly<Record<string, OptionValue>>;
  /** Priority among waiting jobs: smaller values go first. */
  readonly priority: number;
  /** Limits of the owner's API key at the time when the job was requested. Null: no limits. */
  readonly limits: JobLimits | null;
}

/** Limits of a job, which the worker that trains it enforces. Null fields are unlimited. */
export interface JobLimits {
  readonly steps: number | null;
  /** Maximum number of minutes of training of this job, over all its attempts. */
  readonly jobMinutes: number | null;
  /** Maximum number of minutes per UTC day that all jobs of the owner together may train. */
  readonly trainerMinutes: number | null;
}

/** Kinds of training. */
export type JobMethod = "supervised" | "dpo";

/**
 * Kinds of jobs: a training method, or "comparison". A comparison job is one run of `lowrank compare`, and writes no
 * adapter.
 */
export type JobKind = JobMethod | "comparison";

/** Progress of a job, as written by its worker. */
export interface JobProgress {
  readonly status: "validating_files" | "running";
  readonly attempt: number;
  readonly step?: number;
  readonly steps?: number;
  /** Hyperparameters, with "auto" replaced by values. */
  readonly hyperparameters?: Readonly<Record<string, OptionValue>>;
  /** Estimated end, in seconds since 1970. */
  readonly finishAt?: number;
}

/** Final status of a job. It is written once. */
export interface JobEnd {
  readonly status: "succeeded" | "failed" | "cancelled";
  /** Time when the job ended, in seconds since 1970. */
  readonly at: number;
  readonly error?: JobError;
  /** Cause of a server or worker failure, for operators only, since it may contain paths. */
  readonly reason?: string;
  readonly trainedTokens?: number;
  readonly resultFiles?: readonly string[];
  /** Version of the trained adapter: the hash of its files. */
  readonly version?: string;
  readonly method?: string;
}

/** Reason for a job's failure, in the format of OpenAI's API. */
export interface JobError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
}

/** Job with its current state. */
export interface JobState {
  readonly job: FineTuneJob;
  readonly progress: JobProgress | null;
  readonly paused: boolean;
  readonly end: JobEnd | null;
  /** True when no work on the job remains. The model of a succeeded job is then in the manifest. */
  readonly settled: boolean;
}

/** Event in a job's log. */
export interface JobEvent {
  /** Key that is unique within the job. If a killed worker's event is logged again, it has the same key. */
  readonly key: string;
  /** Time of the event, in seconds since 1970. */
  readonly at: number;
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly type: "message" | "metrics";
  readonly data?: Readonly<Record<string, number>>;
}

/** Failure that another attempt cannot fix: the job's data or options are invalid. */
export class JobRefused extends Error {
  readonly detail: JobError;

  constructor(detail: JobError) {
    super(detail.message);
    this.name = "JobRefused";
    this.detail = detail;
  }
}

/** Thrown when training is stopped before the end of its job. The job can be resumed from its last checkpoint. */
export class JobStopped extends Error {
  constructor() {
    super("the run was stopped; its last checkpoint goes on");
    this.name = "JobStopped";
  }
}
